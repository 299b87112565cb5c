// Long-running work: queued, run one at a time on the device, followed, cancelled, resumed.
//
// Thread-safety: all methods may be called from any thread.
#ifndef HOMOLOG_SERVER_OPERATIONS_OPERATION_MANAGER_H_
#define HOMOLOG_SERVER_OPERATIONS_OPERATION_MANAGER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "homolog/storage/v1/records.pb.h"
#include "homolog/v1/operation.pb.h"
#include "homolog/v1/operation_service.pb.h"
#include "server/operations/device_worker.h"
#include "server/operations/job.h"
#include "server/store/store.h"

namespace homolog::operations {

// True where the operation will not change any more.
bool HasEnded(const v1::Operation& operation);

class OperationManager {
 public:
  // Told when an operation ends, on the thread that ended it; for metrics and logs.
  using EndObserver = std::function<void(const v1::Operation& operation)>;
  // Told of tokens that went through a model, on the worker's thread.
  using TokenObserver = std::function<void(int64_t tokens)>;

  // Both outlive the manager.
  OperationManager(store::Store* store, DeviceWorker* worker, EndObserver on_end,
                   TokenObserver on_tokens);
  // The worker has been stopped, or no operation is active.
  ~OperationManager();

  // Queues `job` and returns its operation once that is on disk; where an operation with the same
  // result is queued or running and nobody cancelled it, returns that one. RESOURCE_EXHAUSTED
  // (QUEUE_FULL).
  absl::StatusOr<v1::Operation> Submit(Job job);
  // For results that are in the store already: the operation `name` that computed it, where that is
  // still known, else a new one that has succeeded.
  absl::StatusOr<v1::Operation> Finished(const Job& job, const std::string& name);

  // As operation_service.proto says. Names are full resource names.
  absl::StatusOr<v1::Operation> Get(const std::string& name) const;
  absl::StatusOr<v1::ListOperationsResponse> List(int page_size,
                                                  const std::string& page_token) const;
  absl::StatusOr<v1::Operation> Cancel(const std::string& name);
  absl::Status Delete(const std::string& name);

  // Queues again what a former process left queued or running; one whose job can no longer be
  // prepared fails with the reason. Not bound by the queue's limit. Call once, before the first
  // Submit.
  absl::Status Resume(const JobFactory& factory);
  // The running job stops at its next batch and stays unended in the store, as do queued ones: the
  // next process resumes them. Call before DeviceWorker::Stop.
  void BeginShutdown();
  bool shutting_down() const { return shutting_down_; }

 private:
  class Active;  // an operation that has not ended

  DeviceWorker::Task Task(Job job, std::shared_ptr<Active> active);
  void Run(const Job& job, const std::shared_ptr<Active>& active);
  void End(const std::shared_ptr<Active>& active, const absl::Status& status);
  absl::Status Save(const Active& active) const;
  // Stores `ended`, shows it and tells the observer; the error of the store.
  absl::Status Retire(const std::shared_ptr<Active>& active, storage::v1::OperationRecord ended);
  std::shared_ptr<Active> FindActive(const std::string& name) const;
  std::string NewId();

  store::Store* const store_;
  DeviceWorker* const worker_;
  const EndObserver on_end_;
  const TokenObserver on_tokens_;
  std::atomic<bool> shutting_down_ = false;

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Active>> active_;  // by operation name
  int64_t last_id_ = 0;
};

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_OPERATION_MANAGER_H_
