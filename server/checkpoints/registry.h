// The checkpoints of the repository and which of them are in device memory.
//
// Thread-safety: all methods may be called from any thread. Loading one checkpoint does not hold up
// calls about others.
#ifndef HOMOLOG_SERVER_CHECKPOINTS_REGISTRY_H_
#define HOMOLOG_SERVER_CHECKPOINTS_REGISTRY_H_

#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/resource_names.h"
#include "server/checkpoints/digest_memo.h"
#include "server/checkpoints/repository.h"
#include "server/engine/architecture.h"
#include "server/engine/model.h"

namespace homolog::checkpoints {

enum class CheckpointState { kAvailable, kLoading, kLoaded, kFailed };

struct CheckpointInfo {
  CheckpointName name;
  std::string folder;
  std::optional<engine::ModelDescription> description;  // absent where config.json cannot be read
  int64_t parameter_count = 0;
  std::string config_sha256;   // of config.json, whose settings decide what the weights compute
  std::string weights_sha256;  // empty where not computed yet
  CheckpointState state = CheckpointState::kAvailable;
  std::string state_message;  // why it is kFailed
  int64_t device_bytes = 0;   // of the weights, where loaded
};

// A checkpoint in device memory. It stays there as long as somebody holds it.
struct LoadedCheckpoint {
  CheckpointInfo info;
  std::unique_ptr<const engine::Model> model;
};
using CheckpointHandle = std::shared_ptr<const LoadedCheckpoint>;

struct RegistryUsage {
  int64_t loaded = 0;        // checkpoints
  int64_t bytes = 0;         // of their weights
  int64_t budget_bytes = 0;  // what weights may take
};

class Registry {
 public:
  // `memo` outlives the registry. Weights of all loaded checkpoints take at most `budget_bytes`.
  Registry(Repository repository, at::Device device, int64_t budget_bytes, DigestMemo* memo);

  const Repository& repository() const { return repository_; }
  at::Device device() const { return device_; }

  // What is known without reading weights, of the files as they are now: a checkpoint in memory
  // whose files were replaced since is not loaded any more. A checkpoint whose files do not fit
  // together is kFailed. NOT_FOUND (reason CHECKPOINT_NOT_FOUND).
  absl::StatusOr<CheckpointInfo> Describe(const CheckpointName& name) const;
  // The same with the digest of the weights, which may read all of them. FAILED_PRECONDITION
  // (reason CHECKPOINT_INVALID) with why where they cannot be loaded.
  absl::StatusOr<CheckpointInfo> Identify(const CheckpointName& name) const;

  // The checkpoint in memory, loaded where it is not or its files were replaced since; two callers
  // at once load it once. To make room, checkpoints that nobody holds are dropped, the least
  // recently used first. FAILED_PRECONDITION (CHECKPOINT_INVALID; CHECKPOINT_IN_USE where somebody
  // holds weights that were replaced), RESOURCE_EXHAUSTED (MEMORY_BUDGET) with both numbers.
  absl::StatusOr<CheckpointHandle> Acquire(const CheckpointName& name);
  // Frees the memory, also where the files are gone. OK where it is not loaded; NOT_FOUND (reason
  // CHECKPOINT_NOT_FOUND), FAILED_PRECONDITION (reason CHECKPOINT_IN_USE).
  absl::Status Unload(const CheckpointName& name);

  RegistryUsage usage() const;

 private:
  struct Entry {
    bool loading = false;
    CheckpointHandle handle;  // null where not loaded
    int64_t reserved_bytes = 0;
    uint64_t last_use = 0;
    std::string signature = {};  // of the files that it was loaded from; empty while it loads
  };

  // Without the mutex. Sets the entry's reserved_bytes to what it took from the budget, also where
  // it fails. Throws what libtorch throws.
  absl::StatusOr<CheckpointHandle> ReserveAndLoad(const CheckpointName& name,
                                                  const std::string& folder, Entry& entry);
  absl::StatusOr<CheckpointHandle> Load(CheckpointInfo info, int64_t reserved_bytes) const;
  // With the mutex held.
  absl::Status Reserve(const CheckpointName& name, int64_t bytes);
  void Drop(std::map<CheckpointName, Entry>::iterator entry);

  const Repository repository_;
  const at::Device device_;
  const int64_t budget_bytes_;
  DigestMemo* const memo_;

  mutable std::mutex mutex_;
  mutable std::condition_variable loaded_;  // some entry stopped loading
  std::map<CheckpointName, Entry> entries_;
  int64_t reserved_bytes_ = 0;
  uint64_t clock_ = 0;
};

}  // namespace homolog::checkpoints

#endif  // HOMOLOG_SERVER_CHECKPOINTS_REGISTRY_H_
