// An operation that has not ended: what its job tells, and what it is told.
//
// Thread-safety: all methods may be called from any thread, unless they say otherwise.
#ifndef HOMOLOG_SERVER_OPERATIONS_ACTIVE_OPERATION_H_
#define HOMOLOG_SERVER_OPERATIONS_ACTIVE_OPERATION_H_

#include <google/protobuf/timestamp.pb.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "homolog/storage/v1/records.pb.h"
#include "homolog/v1/operation.pb.h"
#include "server/analysis/run_control.h"
#include "server/operations/device_worker.h"

namespace homolog::operations {

google::protobuf::Timestamp Now();

// True where the operation will not change any more.
bool HasEnded(const v1::Operation& operation);

class ActiveOperation : public analysis::RunControl {
 public:
  // What the operations of one manager share; outlives them.
  struct Shared {
    std::atomic<bool> shutting_down = false;
    DeviceWorker* worker = nullptr;
    std::function<void(int64_t tokens)> on_tokens;
    std::function<absl::Status(const storage::v1::OperationRecord& record)> save;
  };

  ActiveOperation(storage::v1::OperationRecord record, const Shared& shared);

  // --- analysis::RunControl, called by the job on the worker's thread.
  // Also lets short tasks of others have the device.
  absl::Status Check() override;
  bool ShouldYield() override;
  void OnPlan(const analysis::CorrelationPlan& plan) override;
  void OnStudyPlan(const analysis::StudyPlan& plan) override;
  void OnStage(std::string_view stage) override;
  void OnTotalTokens(int64_t tokens) override;
  void OnTokens(int64_t tokens) override;
  void OnResumedTokens(int64_t tokens) override;
  void OnLastingProgress() override;

  // --- for the manager.
  storage::v1::OperationRecord record() const;
  // Without the request, which may be large.
  v1::Operation operation() const;
  std::string client() const;
  // Adds a request that led to it, and stores that. False, and nothing is added, once its end is
  // stored.
  absl::StatusOr<bool> AddRequest(const std::string& key, const std::string& digest);
  void Cancel();
  // Asked to end, though it may take a batch until it does.
  bool cancelled() const { return cancelled_; }
  // Why the job should end now; OK where it should not.
  absl::Status Interruption() const;
  // Moves to RUNNING; false where it has ended before it began.
  bool Begin();
  // It gave the device to others, or to a shutdown, or waits for the store: it did not fail, and
  // does not end the server.
  void Pause();
  // Gives it the end that SaveEnd stores and Show shows; false where something else ends it
  // already. One that waits can be ended by Cancel while the worker is about to begin it: the first
  // wins.
  bool End(const absl::Status& status, bool only_if_waiting);
  // Says in its stage that it waits for the store, and why.
  void OnWaitingForStore(const absl::Status& status);
  // Whether it has an end, which may not be stored yet.
  bool ending() const;
  // Stores the record as it stands; does nothing once its end is stored.
  absl::Status Save();
  // After End: stores it, with the requests that came meanwhile. Before that nobody may see it: a
  // process that dies now would take it back. False where somebody else has stored it.
  absl::StatusOr<bool> SaveEnd();
  // After SaveEnd: from now on record() has its end.
  void Show();
  // How long it waits, the next time that it waits for the store: longer each time without lasting
  // progress in between.
  std::chrono::seconds NextPostponement();

 private:
  void EstimateRest(v1::OperationProgress& progress);

  const Shared& shared_;
  std::atomic<bool> cancelled_ = false;
  mutable std::mutex mutex_;
  storage::v1::OperationRecord record_;
  std::optional<storage::v1::OperationRecord> end_;
  bool begun_ = false, paused_ = false;
  int postponements_ = 0;
  std::mutex save_mutex_;  // of two who save at once, neither overwrites its end
  bool end_saved_ = false;
  int64_t tokens_before_ = 0;  // done before it gave the device to others
  std::optional<std::pair<std::chrono::steady_clock::time_point, int64_t>> first_tokens_;
};

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_ACTIVE_OPERATION_H_
