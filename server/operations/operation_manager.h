// Long-running work: queued, run one at a time on the device, followed, cancelled, resumed.
//
// Thread-safety: all methods may be called from any thread.
#ifndef HOMOLOG_SERVER_OPERATIONS_OPERATION_MANAGER_H_
#define HOMOLOG_SERVER_OPERATIONS_OPERATION_MANAGER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "homolog/storage/v1/records.pb.h"
#include "homolog/v1/operation.pb.h"
#include "homolog/v1/operation_service.pb.h"
#include "server/operations/active_operation.h"
#include "server/operations/device_worker.h"
#include "server/operations/job.h"
#include "server/operations/request_ids.h"
#include "server/store/store.h"

namespace homolog::operations {

struct OperationOptions {
  size_t operations_per_client = 128;  // that wait or run
  // After so many starts in a row without an end, a shutdown or progress that lasts, an operation
  // is taken to end the server, and fails.
  int most_attempts = 10;
  // Told when an operation has to wait until the store takes its results, and why.
  std::function<void(const v1::Operation& operation, const absl::Status& status)> on_postponed;
  // Told when the device is lost, on the worker's thread; operations then stay as they are.
  std::function<void(const absl::Status& status)> on_device_lost;
};

class OperationManager {
 public:
  // Told when an operation has ended and that is stored, on the thread that did it.
  using EndObserver = std::function<void(const v1::Operation& operation)>;
  // Told of tokens that went through a model, on the worker's thread.
  using TokenObserver = std::function<void(int64_t tokens)>;

  using Options = OperationOptions;

  // Both outlive the manager.
  OperationManager(store::Store* store, DeviceWorker* worker, EndObserver on_end,
                   TokenObserver on_tokens, Options options = {});
  // The worker has been stopped, or no operation is active.
  ~OperationManager();

  // The operation that this request of this client led to before, to be looked for first; nothing
  // where there was none. `request`: as Job::request. INVALID_ARGUMENT (INVALID_REQUEST_ID for an
  // id of other characters, REQUEST_ID_REUSED where it came with another request).
  absl::StatusOr<std::optional<v1::Operation>> FindRequest(const Requester& requester,
                                                           const std::string& kind,
                                                           const std::string& request) const;
  // Queues `job` and returns its operation once that is on disk; where an operation with the same
  // result is queued or running and nobody cancelled it, returns that one. RESOURCE_EXHAUSTED
  // (QUEUE_FULL; CLIENT_QUEUE_FULL where this client has as many as one may), with a retry delay.
  absl::StatusOr<v1::Operation> Submit(Job job, const Requester& requester = {});
  // For results that are in the store already: the operation that computed them, or stands for
  // that, where one is still known, else a new one that has succeeded.
  absl::StatusOr<v1::Operation> Finished(const Job& job, const Requester& requester = {});

  // As operation_service.proto says. Names are full resource names.
  absl::StatusOr<v1::Operation> Get(const std::string& name) const;
  absl::StatusOr<v1::ListOperationsResponse> List(int page_size,
                                                  const std::string& page_token) const;
  absl::StatusOr<v1::Operation> Cancel(const std::string& name);
  absl::Status Delete(const std::string& name);
  // Forgets operations that ended more than `age` ago; returns how many.
  absl::StatusOr<int> Expire(std::chrono::seconds age);

  // Goes on with operations that wait for the store to take writes, and stores the ends that it did
  // not take. Call it every few seconds.
  void Maintain();

  // Operations that wait, and that run.
  struct Counts {
    int64_t queued = 0, running = 0;
  };
  Counts counts() const;

  // Queues again what a former process left queued or running; one whose job can no longer be
  // prepared fails with the reason. Not bound by the queue's limit. Call once, before the first
  // Submit.
  absl::Status Resume(const JobFactory& factory);
  // Operations that wait or run.
  std::set<std::string> UnendedNames() const;
  // The running job stops at its next batch and stays unended in the store, as do queued ones: the
  // next process resumes them. Call before DeviceWorker::Stop.
  void BeginShutdown();
  bool shutting_down() const { return shared_.shutting_down; }

 private:
  struct Unended {
    Job job;
    std::shared_ptr<ActiveOperation> active;
  };
  // What the store takes no writes of now; goes on once it would take so many bytes.
  struct Postponed {
    Unended unended;
    int64_t bytes = 0;
    std::chrono::steady_clock::time_point not_before;
  };

  DeviceWorker::Task Task(Job job, std::shared_ptr<ActiveOperation> active);
  void Run(const Job& job, const std::shared_ptr<ActiveOperation>& active);
  void Requeue(const Unended& unended);
  void Postpone(Unended unended, const absl::Status& status);
  void Unqueue(const v1::Operation& operation);
  void EndIfCancelled(const std::shared_ptr<ActiveOperation>& active);
  void End(const std::shared_ptr<ActiveOperation>& active, const absl::Status& status);
  void ResumeOne(storage::v1::OperationRecord record, const JobFactory& factory);
  // The status with which a resumed operation must end at once; OK where it can go on.
  absl::Status CheckResumed(const storage::v1::OperationRecord& record,
                            const absl::StatusOr<Job>& job) const;
  // After ActiveOperation::End: stores that, shows it and tells the observer; the error of the
  // store.
  absl::Status Retire(const std::shared_ptr<ActiveOperation>& active);
  std::shared_ptr<ActiveOperation> FindActive(const std::string& name) const;
  // With mutex_ held:
  absl::StatusOr<storage::v1::OperationRecord> RecordLocked(const std::string& name) const;
  storage::v1::OperationRecord FindSucceededLocked(const Job& job) const;
  void IndexLocked(const storage::v1::OperationRecord& record);
  absl::StatusOr<std::optional<v1::Operation>> FindRequestLocked(const Requester& requester,
                                                                 const std::string& kind,
                                                                 const std::string& request) const;
  std::vector<v1::Operation> SaveEndsLocked();
  void DeleteRefusedLocked();
  absl::StatusOr<bool> AddRequestLocked(ActiveOperation& active, const Job& job,
                                        const Requester& requester);
  absl::StatusOr<std::optional<v1::Operation>> JoinLocked(const Job& job,
                                                          const Requester& requester);
  absl::Status CheckClientLocked(const std::string& client) const;
  storage::v1::OperationRecord NewRecordLocked(const Job& job, const Requester& requester);
  std::string NewIdLocked();

  store::Store* const store_;
  DeviceWorker* const worker_;
  const EndObserver on_end_;
  const Options options_;
  ActiveOperation::Shared shared_;

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<ActiveOperation>> active_;  // by operation name
  std::vector<Postponed> postponed_;
  std::vector<std::string>
      refused_;  // names of operations whose records may be stored all the same
  RequestIds request_ids_;
  std::map<std::string, std::string> succeeded_;  // ResultsKey: name of the operation
  int64_t last_id_ = 0;
};

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_OPERATION_MANAGER_H_
