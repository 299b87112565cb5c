#include "server/checkpoints/registry.h"

#include <chrono>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/checkpoints/inspection.h"
#include "server/checkpoints/inspector.h"
#include "server/checkpoints/weights.h"
#include "server/engine/torch_errors.h"

namespace homolog::checkpoints {
namespace {

absl::Status Invalid(const CheckpointName& name, const std::string& why) {
  return FailedPrecondition(
      "CHECKPOINT_INVALID",
      absl::StrCat("checkpoint ", name.ToString(), " cannot be loaded: ", why),
      {{"checkpoint", name.ToString()}});
}

absl::Status InUse(const CheckpointName& name, const std::string& how) {
  return FailedPrecondition(
      "CHECKPOINT_IN_USE",
      absl::StrCat("checkpoint ", name.ToString(), " ", how, "; wait for it or cancel it first"),
      {{"checkpoint", name.ToString()}});
}

// Handles are given out under the registry's mutex only: a count of one stays one.
bool Unused(const CheckpointHandle& handle) { return handle && handle.use_count() == 1; }

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct CheckpointFiles {
  CheckpointConfig config;
  WeightFiles weights;
};

// They were looked at before, and may be others by now.
absl::StatusOr<CheckpointFiles> OpenFiles(const CheckpointInfo& info) {
  absl::StatusOr<CheckpointConfig> config = ReadConfig(info.folder);
  if (!config.ok()) return Invalid(info.name, std::string(config.status().message()));
  absl::StatusOr<WeightFiles> weights = WeightFiles::Open(info.folder);
  if (!weights.ok()) return Invalid(info.name, std::string(weights.status().message()));
  return CheckpointFiles{*std::move(config), *std::move(weights)};
}

}  // namespace

Registry::Registry(Repository repository, at::Device device, int64_t budget_bytes, DigestMemo* memo)
    : repository_(std::move(repository)),
      device_(device),
      budget_bytes_(budget_bytes),
      inspector_(std::make_unique<Inspector>(memo)) {}

Registry::~Registry() = default;

CheckpointInfo Registry::Inspect(const CheckpointName& name, const std::string& folder,
                                 const std::string& signature) const {
  const absl::Status inside = repository_.CheckFiles(folder);
  if (inside.ok()) return inspector_->Inspect(name, folder, signature);
  CheckpointInfo info;
  info.name = name;
  info.folder = folder;
  info.state = CheckpointState::kFailed;
  info.state_message = std::string(inside.message());
  return info;
}

absl::StatusOr<CheckpointInfo> Registry::Describe(const CheckpointName& name) const {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string folder, repository_.Folder(name));
  const std::string signature = FilesSignature(folder);
  bool loading = false;
  {
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(name);
    const bool loaded = entry != entries_.end() && entry->second.signature == signature;
    // The signature knows nothing of tokenizers, which are read long after the weights.
    if (loaded && repository_.CheckFiles(folder).ok()) return entry->second.handle->info;
    loading = entry != entries_.end() && entry->second.loading;
  }
  CheckpointInfo info = Inspect(name, folder, signature);
  if (loading && info.state == CheckpointState::kAvailable) info.state = CheckpointState::kLoading;
  info.weights_sha256 = inspector_->KnownDigest(signature).value_or("");
  return info;
}

absl::StatusOr<std::string> Registry::DigestOf(const CheckpointName& name,
                                               const CheckpointConfig& config,
                                               const WeightFiles& weights) const {
  absl::StatusOr<std::string> digest = inspector_->Digest(config, weights);
  if (!digest.ok()) return Invalid(name, std::string(digest.status().message()));
  return digest;
}

absl::StatusOr<CheckpointInfo> Registry::Identify(const CheckpointName& name) const {
  HOMOLOG_ASSIGN_OR_RETURN(CheckpointInfo info, Describe(name));
  if (info.state == CheckpointState::kFailed) return Invalid(name, info.state_message);
  if (!info.weights_sha256.empty()) return info;
  HOMOLOG_ASSIGN_OR_RETURN(const CheckpointFiles files, OpenFiles(info));
  const auto& [config, weights] = files;
  const absl::Status status = engine::CatchTorch([&]() -> absl::Status {
    HOMOLOG_ASSIGN_OR_RETURN(info.weights_sha256, DigestOf(name, config, weights));
    return absl::OkStatus();
  });
  HOMOLOG_RETURN_IF_ERROR(status);
  // Of the very config that said which tensors are weights.
  info.description = config.architecture->description();
  info.parameter_count = engine::ParameterCount(*config.architecture);
  info.config_sha256 = config.sha256;
  return info;
}

std::map<std::string, std::vector<Registry::Sampled>> Registry::SampleAll() const {
  std::map<std::string, std::vector<Sampled>> by_sample;
  std::set<CheckpointName> names;
  for (const CheckpointName& name : repository_.List()) {
    const absl::StatusOr<std::string> folder = repository_.Folder(name);
    if (!folder.ok() || !repository_.CheckFiles(*folder).ok()) continue;
    names.insert(name);
    std::string signature = FilesSignature(*folder);
    const std::optional<std::string> sample = inspector_->SampleDigest(name, *folder, signature);
    if (sample) by_sample[*sample].push_back({name, std::move(signature), ""});
  }
  inspector_->Keep(names);
  for (auto& [sample, twins] : by_sample) {
    if (twins.size() == 1) continue;
    for (Sampled& twin : twins) {
      twin.weights_sha256 = inspector_->KnownDigest(twin.signature).value_or("");
    }
  }
  return by_sample;
}

void Registry::FindEqualWeights(std::vector<CheckpointInfo>& infos) const {
  const std::map<std::string, std::vector<Sampled>> by_sample = SampleAll();
  std::map<CheckpointName, const std::vector<Sampled>*> twins_of;
  for (const auto& [sample, twins] : by_sample) {
    for (const Sampled& twin : twins) twins_of[twin.name] = &twins;
  }
  for (CheckpointInfo& info : infos) {
    info.equal_weights.clear();
    const auto twins = twins_of.find(info.name);
    if (twins == twins_of.end()) continue;
    for (const Sampled& twin : *twins->second) {
      const bool unknown = twin.weights_sha256.empty() || info.weights_sha256.empty();
      const bool equal = unknown || twin.weights_sha256 == info.weights_sha256;
      if (equal && twin.name != info.name) info.equal_weights.push_back(twin.name);
    }
  }
}

void Registry::Drop(std::map<CheckpointName, Entry>::iterator entry) {
  reserved_bytes_ -= entry->second.reserved_bytes;
  entries_.erase(entry);
}

absl::Status Registry::CheckRoom(const CheckpointName& name, int64_t bytes) const {
  auto refuse = [&](const std::string& why, const char* fits) {
    return ResourceExhausted(
        "MEMORY_BUDGET",
        absl::StrCat("checkpoint ", name.ToString(), " needs ", bytes, " bytes", why),
        {{"needed_bytes", absl::StrCat(bytes)},
         {"budget_bytes", absl::StrCat(budget_bytes_)},
         {"fits", fits}});
  };
  if (bytes > budget_bytes_) {
    return refuse(absl::StrCat("; the budget is ", budget_bytes_,
                               " bytes, so that it never fits, even alone; start the server with a "
                               "larger --memory-budget"),
                  "never");
  }
  int64_t available = budget_bytes_ - reserved_bytes_;
  for (const auto& [other, entry] : entries_) {
    if (Unused(entry.handle)) available += entry.reserved_bytes;
  }
  if (bytes <= available) return absl::OkStatus();
  return refuse(absl::StrCat(", and ", available, " of the budget of ", budget_bytes_,
                             " bytes are free or can be freed, as others are in use or being "
                             "loaded; wait for running operations, or start the server with a "
                             "larger --memory-budget"),
                "later");
}

absl::Status Registry::Reserve(const CheckpointName& name, int64_t bytes) {
  HOMOLOG_RETURN_IF_ERROR(CheckRoom(name, bytes));
  while (reserved_bytes_ + bytes > budget_bytes_) {
    auto oldest = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      const bool older = oldest == entries_.end() || it->second.last_use < oldest->second.last_use;
      if (Unused(it->second.handle) && older) oldest = it;
    }
    Drop(oldest);
    ++counts_.evictions;
  }
  reserved_bytes_ += bytes;
  return absl::OkStatus();
}

absl::StatusOr<CheckpointHandle> Registry::Load(CheckpointInfo info, Entry& entry) const {
  HOMOLOG_ASSIGN_OR_RETURN(const CheckpointFiles opened, OpenFiles(info));
  const auto& [config, files] = opened;
  // The files may be others than those that the budget was asked for.
  if (WeightBytes(*config.architecture) != entry.reserved_bytes) {
    return Invalid(info.name, "its files were replaced while it was loaded");
  }
  auto loaded = std::make_shared<LoadedCheckpoint>();
  HOMOLOG_ASSIGN_OR_RETURN(engine::Weights weights, files.Read(*config.architecture, device_));
  loaded->model = config.architecture->Build(std::move(weights));
  HOMOLOG_ASSIGN_OR_RETURN(info.weights_sha256, DigestOf(info.name, config, files));
  info.description = config.architecture->description();
  info.config_sha256 = config.sha256;
  info.state = CheckpointState::kLoaded;
  info.device_bytes = entry.reserved_bytes;
  loaded->info = std::move(info);
  entry.signature = FilesSignature(config, files);
  return loaded;
}

absl::StatusOr<CheckpointHandle> Registry::Acquire(const CheckpointName& name) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string folder, repository_.Folder(name));
  std::unique_lock lock(mutex_);
  loaded_.wait(lock, [&] { return !entries_.contains(name) || !entries_[name].loading; });
  if (const auto found = entries_.find(name); found != entries_.end()) {
    Entry& entry = found->second;
    if (entry.signature == FilesSignature(folder)) {
      entry.last_use = ++clock_;
      return entry.handle;
    }
    if (entry.handle.use_count() > 1) {
      return InUse(name, "was replaced on disk while a running operation uses what was there");
    }
    Drop(found);
  }
  entries_[name].loading = true;
  lock.unlock();
  const auto start = std::chrono::steady_clock::now();
  Entry entry;
  // Whatever happens, `loading` must not stay: others wait for it.
  const absl::Status status = engine::CatchTorch([&]() -> absl::Status {
    HOMOLOG_ASSIGN_OR_RETURN(entry.handle, ReserveAndLoad(name, folder, entry));
    return absl::OkStatus();
  });
  lock.lock();
  loaded_.notify_all();
  if (!status.ok()) {
    reserved_bytes_ -= entry.reserved_bytes;
    entries_.erase(name);
    ++counts_.load_failures;
    return status;
  }
  ++counts_.loads;
  counts_.last_load_seconds = SecondsSince(start);
  entry.last_use = ++clock_;
  CheckpointHandle handle = entry.handle;
  entries_[name] = std::move(entry);
  return handle;
}

absl::StatusOr<CheckpointHandle> Registry::ReserveAndLoad(const CheckpointName& name,
                                                          const std::string& folder, Entry& entry) {
  CheckpointInfo info = Inspect(name, folder, FilesSignature(folder));
  if (info.state == CheckpointState::kFailed) return Invalid(name, info.state_message);
  const int64_t bytes = info.parameter_count * static_cast<int64_t>(sizeof(float));
  {
    const std::lock_guard lock(mutex_);
    HOMOLOG_RETURN_IF_ERROR(Reserve(name, bytes));
  }
  entry.reserved_bytes = bytes;
  return Load(std::move(info), entry);
}

absl::Status Registry::Unload(const CheckpointName& name) {
  std::unique_lock lock(mutex_);
  const auto entry = entries_.find(name);
  if (entry == entries_.end()) {
    lock.unlock();
    return repository_.Folder(name).status();
  }
  if (entry->second.loading) return InUse(name, "is being loaded");
  if (entry->second.handle.use_count() > 1) return InUse(name, "is in use by a running operation");
  Drop(entry);
  return absl::OkStatus();
}

RegistryUsage Registry::usage() const {
  const std::lock_guard lock(mutex_);
  RegistryUsage usage = counts_;
  usage.budget_bytes = budget_bytes_;
  for (const auto& [name, entry] : entries_) {
    usage.loading += entry.loading ? 1 : 0;
    if (!entry.handle) continue;
    ++usage.loaded;
    usage.bytes += entry.reserved_bytes;
  }
  return usage;
}

}  // namespace homolog::checkpoints
