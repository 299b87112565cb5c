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

// Fills in what config.json and the weights' headers say; the first thing wrong makes it kFailed.
void Inspect(CheckpointInfo& info) {
  const absl::Status status = [&]() -> absl::Status {
    HOMOLOG_ASSIGN_OR_RETURN(const std::unique_ptr<engine::Architecture> architecture,
                             ReadArchitecture(info.folder));
    info.description = architecture->description();
    HOMOLOG_ASSIGN_OR_RETURN(const WeightFiles files, WeightFiles::Open(info.folder));
    HOMOLOG_RETURN_IF_ERROR(files.Check(*architecture));
    info.parameter_count = engine::ParameterCount(*architecture);
    return absl::OkStatus();
  }();
  if (status.ok()) return;
  info.state = CheckpointState::kFailed;
  info.state_message = std::string(status.message());
}

std::string DigestOf(const WeightFiles& files, const std::string& folder, DigestMemo& memo) {
  const std::string key = WeightFilesSignature(folder);
  if (std::optional<std::string> known = memo.Get(key)) return *std::move(known);
  std::string digest = files.Sha256();
  memo.Put(key, digest);
  return digest;
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
  {
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(name);
    if (entry != entries_.end() && entry->second.handle) return entry->second.handle->info;
    if (entry != entries_.end() && entry->second.loading) info.state = CheckpointState::kLoading;
  }
  HOMOLOG_ASSIGN_OR_RETURN(info.folder, repository_.Folder(name));
  Inspect(info);
  info.weights_sha256 = memo_->Get(WeightFilesSignature(info.folder)).value_or("");
  return info;
}

absl::StatusOr<CheckpointInfo> Registry::Identify(const CheckpointName& name) const {
  HOMOLOG_ASSIGN_OR_RETURN(CheckpointInfo info, Describe(name));
  if (info.state == CheckpointState::kFailed) return Invalid(name, info.state_message);
  if (info.weights_sha256.empty()) {
    HOMOLOG_ASSIGN_OR_RETURN(const WeightFiles files, WeightFiles::Open(info.folder));
    info.weights_sha256 = DigestOf(files, info.folder, *memo_);
  }
  return info;
}

absl::Status Registry::Reserve(const CheckpointName& name, int64_t bytes) {
  while (reserved_bytes_ + bytes > budget_bytes_) {
    auto oldest = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      // Handles are given out under the mutex only: a count of one stays one.
      const bool unused = it->second.handle && it->second.handle.use_count() == 1;
      if (unused && (oldest == entries_.end() || it->second.last_use < oldest->second.last_use)) {
        oldest = it;
      }
    }
    if (oldest == entries_.end()) {
      return ResourceExhausted(
          "MEMORY_BUDGET",
          absl::StrCat("checkpoint ", name.ToString(), " needs ", bytes, " bytes, and ",
                       budget_bytes_ - reserved_bytes_, " of the budget of ", budget_bytes_,
                       " bytes are free or can be freed; wait for running operations, or start the "
                       "server with a larger --memory-budget"),
          {{"needed_bytes", absl::StrCat(bytes)}, {"budget_bytes", absl::StrCat(budget_bytes_)}});
    }
    reserved_bytes_ -= oldest->second.reserved_bytes;
    entries_.erase(oldest);
  }
  reserved_bytes_ += bytes;
  return absl::OkStatus();
}

absl::StatusOr<CheckpointHandle> Registry::Load(CheckpointInfo info) const {
  return engine::CatchTorch([&]() -> absl::StatusOr<CheckpointHandle> {
    HOMOLOG_ASSIGN_OR_RETURN(const std::unique_ptr<engine::Architecture> architecture,
                             ReadArchitecture(info.folder));
    HOMOLOG_ASSIGN_OR_RETURN(const WeightFiles files, WeightFiles::Open(info.folder));
    auto loaded = std::make_shared<LoadedCheckpoint>();
    HOMOLOG_ASSIGN_OR_RETURN(engine::Weights weights, files.Read(*architecture, device_));
    loaded->model = architecture->Build(std::move(weights));
    info.weights_sha256 = DigestOf(files, info.folder, *memo_);
    info.state = CheckpointState::kLoaded;
    info.device_bytes = WeightBytes(*architecture);
    loaded->info = std::move(info);
    return loaded;
  });
}

absl::StatusOr<CheckpointHandle> Registry::Acquire(const CheckpointName& name) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string folder, repository_.Folder(name));
  std::unique_lock lock(mutex_);
  loaded_.wait(lock, [&] { return !entries_.contains(name) || !entries_[name].loading; });
  if (const auto entry = entries_.find(name); entry != entries_.end()) {
    entry->second.last_use = ++clock_;
    return entry->second.handle;
  }
  entries_[name].loading = true;
  lock.unlock();
  int64_t reserved = 0;
  absl::StatusOr<CheckpointHandle> handle = ReserveAndLoad(name, folder, reserved);
  lock.lock();
  if (handle.ok()) {
    entries_[name] = {false, *handle, reserved, ++clock_};
  } else {
    reserved_bytes_ -= reserved;
    entries_.erase(name);
  }
  loaded_.notify_all();
  return handle;
}

absl::StatusOr<CheckpointHandle> Registry::ReserveAndLoad(const CheckpointName& name,
                                                          const std::string& folder,
                                                          int64_t& reserved) {
  CheckpointInfo info;
  info.name = name;
  info.folder = folder;
  Inspect(info);
  if (info.state == CheckpointState::kFailed) return Invalid(name, info.state_message);
  const int64_t bytes = info.parameter_count * static_cast<int64_t>(sizeof(float));
  {
    const std::lock_guard lock(mutex_);
    HOMOLOG_RETURN_IF_ERROR(Reserve(name, bytes));
  }
  reserved = bytes;
  return Load(std::move(info));
}

absl::Status Registry::Unload(const CheckpointName& name) {
  HOMOLOG_RETURN_IF_ERROR(repository_.Folder(name).status());
  std::unique_lock lock(mutex_);
  const auto entry = entries_.find(name);
  if (entry == entries_.end()) return absl::OkStatus();
  if (entry->second.loading || entry->second.handle.use_count() > 1) {
    return FailedPrecondition("CHECKPOINT_IN_USE",
                              absl::StrCat("checkpoint ", name.ToString(),
                                           " is in use by a running operation; wait for it or "
                                           "cancel it first"),
                              {{"checkpoint", name.ToString()}});
  }
  reserved_bytes_ -= entry->second.reserved_bytes;
  entries_.erase(entry);
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
