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
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/resource_names.h"
#include "server/checkpoints/checkpoint_info.h"
#include "server/checkpoints/digest_memo.h"
#include "server/checkpoints/repository.h"
#include "server/engine/architecture.h"
#include "server/engine/model.h"

namespace homolog::checkpoints {

class Inspector;
class WeightFiles;
struct CheckpointConfig;

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
  int64_t loading = 0;       // checkpoints on their way into memory
  // Since the start.
  int64_t loads = 0;             // that succeeded
  int64_t load_failures = 0;     // also for want of room
  int64_t evictions = 0;         // to make room for another; Unload is none
  double last_load_seconds = 0;  // of the last load that succeeded; 0 before the first
};

class Registry {
 public:
  // `memo` outlives the registry. Weights of all loaded checkpoints take at most `budget_bytes`.
  Registry(Repository repository, at::Device device, int64_t budget_bytes, DigestMemo* memo);
  ~Registry();

  const Repository& repository() const { return repository_; }
  at::Device device() const { return device_; }

  // What is known without reading weights, of the files as they are now: a checkpoint in memory
  // whose files were replaced since is not loaded any more. A checkpoint whose files do not fit
  // together is kFailed. NOT_FOUND (reason CHECKPOINT_NOT_FOUND).
  absl::StatusOr<CheckpointInfo> Describe(const CheckpointName& name) const;
  // The same with the digest of the weights, which may read all of them. FAILED_PRECONDITION
  // (reason CHECKPOINT_INVALID) with why where they cannot be loaded.
  absl::StatusOr<CheckpointInfo> Identify(const CheckpointName& name) const;

  // Sets the equal_weights of all `infos` in one pass over the repository, whose files it looks at
  // once each: other checkpoints whose weights have the same names, dtypes, shapes and sample
  // (WeightFiles::SampleDigest), unless the digests of both are known and differ. One that cannot
  // be read equals none.
  void FindEqualWeights(std::vector<CheckpointInfo>& infos) const;

  // The checkpoint in memory, loaded where it is not or its files were replaced since; two callers
  // at once load it once. To make room, checkpoints that nobody holds are dropped, the least
  // recently used first. FAILED_PRECONDITION (CHECKPOINT_INVALID; CHECKPOINT_IN_USE where somebody
  // holds weights that were replaced), RESOURCE_EXHAUSTED (MEMORY_BUDGET) with both numbers; its
  // metadata "fits" is "never" where the budget is too small for it alone, and "later" where
  // others that are held leave no room now.
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

  // Without the mutex, as all up to CheckRoom. What the files say; kFailed where one of them leads
  // out of the repository.
  CheckpointInfo Inspect(const CheckpointName& name, const std::string& folder,
                         const std::string& signature) const;
  // Sets the entry's reserved_bytes to what it took from the budget, also where
  // it fails. Throws what libtorch throws.
  absl::StatusOr<CheckpointHandle> ReserveAndLoad(const CheckpointName& name,
                                                  const std::string& folder, Entry& entry);
  absl::StatusOr<CheckpointHandle> Load(CheckpointInfo info, Entry& entry) const;
  // Every checkpoint of the repository that can be sampled, by its sample.
  struct Sampled {
    CheckpointName name;
    std::string signature;
    std::string weights_sha256;  // where others have the same sample; empty where not known
  };
  std::map<std::string, std::vector<Sampled>> SampleAll() const;
  absl::StatusOr<std::string> DigestOf(const CheckpointName& name, const CheckpointConfig& config,
                                       const WeightFiles& weights) const;
  // With the mutex held.
  absl::Status CheckRoom(const CheckpointName& name, int64_t bytes) const;
  absl::Status Reserve(const CheckpointName& name, int64_t bytes);
  void Drop(std::map<CheckpointName, Entry>::iterator entry);

  const Repository repository_;
  const at::Device device_;
  const int64_t budget_bytes_;
  const std::unique_ptr<Inspector> inspector_;

  mutable std::mutex mutex_;
  mutable std::condition_variable loaded_;  // some entry stopped loading
  std::map<CheckpointName, Entry> entries_;
  int64_t reserved_bytes_ = 0;
  uint64_t clock_ = 0;
  RegistryUsage counts_;  // what usage() cannot tell from the entries
};

}  // namespace homolog::checkpoints

#endif  // HOMOLOG_SERVER_CHECKPOINTS_REGISTRY_H_
