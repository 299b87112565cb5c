#include "server/checkpoints/registry.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/checkpoints/inspection.h"
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

// Of everything that a loaded checkpoint was made of.
std::string FilesSignature(const std::string& folder) {
  return absl::StrCat(ConfigSignature(folder), "\n", WeightFilesSignature(folder));
}

// Fills in what config.json and the weights' headers say; the first thing wrong makes it kFailed.
void Inspect(CheckpointInfo& info) {
  const absl::Status status = [&]() -> absl::Status {
    HOMOLOG_ASSIGN_OR_RETURN(const std::unique_ptr<engine::Architecture> architecture,
                             ReadArchitecture(info.folder));
    info.description = architecture->description();
    HOMOLOG_ASSIGN_OR_RETURN(const WeightFiles files, WeightFiles::Open(info.folder));
    HOMOLOG_RETURN_IF_ERROR(files.Check(*architecture));
    info.parameter_count = engine::ParameterCount(*architecture);
    HOMOLOG_ASSIGN_OR_RETURN(info.config_sha256, ConfigDigest(info.folder));
    return absl::OkStatus();
  }();
  if (status.ok()) return;
  info.state = CheckpointState::kFailed;
  info.state_message = std::string(status.message());
}

// The digest of the files as they were opened, whatever stands under their names by now. Fails
// where they were written to since, so that neither memo nor model holds a mixture.
absl::StatusOr<std::string> DigestOf(const CheckpointName& name, const WeightFiles& files,
                                     DigestMemo& memo) {
  std::optional<std::string> digest = memo.Get(files.signature());
  const bool known = digest.has_value();
  if (!known) digest = files.Sha256();
  if (!files.Unchanged()) return Invalid(name, "its weights were written to while they were read");
  if (!known) memo.Put(files.signature(), *digest);
  return *std::move(digest);
}

}  // namespace

Registry::Registry(Repository repository, at::Device device, int64_t budget_bytes, DigestMemo* memo)
    : repository_(std::move(repository)),
      device_(device),
      budget_bytes_(budget_bytes),
      memo_(memo) {}

absl::StatusOr<CheckpointInfo> Registry::Describe(const CheckpointName& name) const {
  CheckpointInfo info;
  info.name = name;
  HOMOLOG_ASSIGN_OR_RETURN(info.folder, repository_.Folder(name));
  {
    const std::string signature = FilesSignature(info.folder);
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(name);
    if (entry != entries_.end() && entry->second.signature == signature) {
      return entry->second.handle->info;
    }
    if (entry != entries_.end() && entry->second.loading) info.state = CheckpointState::kLoading;
  }
  Inspect(info);
  info.weights_sha256 = memo_->Get(WeightFilesSignature(info.folder)).value_or("");
  return info;
}

absl::StatusOr<CheckpointInfo> Registry::Identify(const CheckpointName& name) const {
  HOMOLOG_ASSIGN_OR_RETURN(CheckpointInfo info, Describe(name));
  if (info.state == CheckpointState::kFailed) return Invalid(name, info.state_message);
  if (info.weights_sha256.empty()) {
    HOMOLOG_ASSIGN_OR_RETURN(const WeightFiles files, WeightFiles::Open(info.folder));
    HOMOLOG_ASSIGN_OR_RETURN(info.weights_sha256, DigestOf(name, files, *memo_));
  }
  return info;
}

void Registry::Drop(std::map<CheckpointName, Entry>::iterator entry) {
  reserved_bytes_ -= entry->second.reserved_bytes;
  entries_.erase(entry);
}

absl::Status Registry::Reserve(const CheckpointName& name, int64_t bytes) {
  // Handles are given out under the mutex only: a count of one stays one.
  auto unused = [](const Entry& entry) { return entry.handle && entry.handle.use_count() == 1; };
  int64_t available = budget_bytes_ - reserved_bytes_;
  for (const auto& [other, entry] : entries_) available += unused(entry) ? entry.reserved_bytes : 0;
  if (bytes > available) {
    return ResourceExhausted(
        "MEMORY_BUDGET",
        absl::StrCat("checkpoint ", name.ToString(), " needs ", bytes, " bytes, and ", available,
                     " of the budget of ", budget_bytes_,
                     " bytes are free or can be freed; wait for running operations, or start the "
                     "server with a larger --memory-budget"),
        {{"needed_bytes", absl::StrCat(bytes)}, {"budget_bytes", absl::StrCat(budget_bytes_)}});
  }
  while (reserved_bytes_ + bytes > budget_bytes_) {
    auto oldest = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      const bool older = oldest == entries_.end() || it->second.last_use < oldest->second.last_use;
      if (unused(it->second) && older) oldest = it;
    }
    Drop(oldest);
  }
  reserved_bytes_ += bytes;
  return absl::OkStatus();
}

absl::StatusOr<CheckpointHandle> Registry::Load(CheckpointInfo info, int64_t reserved_bytes) const {
  HOMOLOG_ASSIGN_OR_RETURN(const std::unique_ptr<engine::Architecture> architecture,
                           ReadArchitecture(info.folder));
  HOMOLOG_ASSIGN_OR_RETURN(const WeightFiles files, WeightFiles::Open(info.folder));
  // The files may be others than those that the budget was asked for.
  if (WeightBytes(*architecture) != reserved_bytes) {
    return Invalid(info.name, "its files were replaced while it was loaded");
  }
  auto loaded = std::make_shared<LoadedCheckpoint>();
  HOMOLOG_ASSIGN_OR_RETURN(engine::Weights weights, files.Read(*architecture, device_));
  loaded->model = architecture->Build(std::move(weights));
  HOMOLOG_ASSIGN_OR_RETURN(info.weights_sha256, DigestOf(info.name, files, *memo_));
  info.description = architecture->description();
  info.state = CheckpointState::kLoaded;
  info.device_bytes = WeightBytes(*architecture);
  loaded->info = std::move(info);
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
    return status;
  }
  entry.last_use = ++clock_;
  CheckpointHandle handle = entry.handle;
  entries_[name] = std::move(entry);
  return handle;
}

absl::StatusOr<CheckpointHandle> Registry::ReserveAndLoad(const CheckpointName& name,
                                                          const std::string& folder, Entry& entry) {
  CheckpointInfo info;
  info.name = name;
  info.folder = folder;
  // Taken first: files that are replaced while they are read have another one later.
  std::string signature = FilesSignature(folder);
  Inspect(info);
  if (info.state == CheckpointState::kFailed) return Invalid(name, info.state_message);
  const int64_t bytes = info.parameter_count * static_cast<int64_t>(sizeof(float));
  {
    const std::lock_guard lock(mutex_);
    HOMOLOG_RETURN_IF_ERROR(Reserve(name, bytes));
  }
  entry.reserved_bytes = bytes;
  entry.signature = std::move(signature);
  return Load(std::move(info), bytes);
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
  RegistryUsage usage;
  usage.budget_bytes = budget_bytes_;
  for (const auto& [name, entry] : entries_) {
    if (!entry.handle) continue;
    ++usage.loaded;
    usage.bytes += entry.reserved_bytes;
  }
  return usage;
}

}  // namespace homolog::checkpoints
