#include "server/operations/operation_manager.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "homolog/storage/v1/records.pb.h"
#include "server/operations/plan_proto.h"

namespace homolog::operations {
namespace {

using google::protobuf::util::TimeUtil;
using storage::v1::OperationRecord;

constexpr int kResumePage = 1000;

google::protobuf::Timestamp Now() {
  return TimeUtil::MicrosecondsToTimestamp(std::chrono::duration_cast<std::chrono::microseconds>(
                                               std::chrono::system_clock::now().time_since_epoch())
                                               .count());
}

absl::StatusOr<OperationRecord> ParseRecord(const std::string& id, const std::string& bytes) {
  OperationRecord record;
  if (!record.ParseFromString(bytes)) {
    return DataLoss("DAMAGED_OPERATION",
                    absl::StrCat("the stored operation ", id, " cannot be read; delete it"),
                    {{"operation", id}});
  }
  return record;
}

absl::Status SaveRecord(store::Store& store, const OperationRecord& record) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kOperations, record.operation().name()));
  return store.PutOperation(id, record.SerializeAsString());
}

// Calls the job; an exception, which is a defect or memory that ran out, must not end the server.
absl::Status RunJob(const Job& job, const std::string& operation, analysis::RunControl& control) {
  try {
    return job.run(operation, control);
  } catch (const std::bad_alloc&) {
    return ResourceExhausted(
        "OUT_OF_MEMORY", "the server's memory ran out; ask for less at once, or when less runs");
  } catch (const std::exception& error) {
    return MakeError(absl::StatusCode::kInternal, "INTERNAL",
                     absl::StrCat("the server failed: ", error.what(), "; please report this"));
  }
}

void SetResults(const Job& job, v1::Operation& operation) {
  operation.set_result(job.result);
  operation.mutable_results()->Assign(job.results.begin(), job.results.end());
}

bool HasResults(const v1::Operation& operation, const Job& job) {
  return operation.result() == job.result &&
         std::equal(operation.results().begin(), operation.results().end(), job.results.begin(),
                    job.results.end());
}

void SetError(const absl::Status& status, v1::Operation& operation) {
  operation.mutable_error()->ParseFromString(SerializeError(status));
}

}  // namespace

bool HasEnded(const v1::Operation& operation) {
  return operation.state() == v1::OPERATION_STATE_SUCCEEDED ||
         operation.state() == v1::OPERATION_STATE_FAILED ||
         operation.state() == v1::OPERATION_STATE_CANCELLED;
}

// Thread-safety: as the manager's.
class OperationManager::Active : public analysis::RunControl {
 public:
  Active(OperationRecord record, const std::atomic<bool>& shutting_down,
         const TokenObserver& on_tokens)
      : record_(std::move(record)), shutting_down_(shutting_down), on_tokens_(on_tokens) {}

  // --- analysis::RunControl, called by the job.
  absl::Status Check() override {
    if (cancelled_) {
      return MakeError(absl::StatusCode::kCancelled, "OPERATION_CANCELLED",
                       "the operation was cancelled; ask again to start anew");
    }
    if (shutting_down_) {
      return MakeError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN",
                       "the server is shutting down; the operation goes on when it is back");
    }
    return absl::OkStatus();
  }
  void OnPlan(const analysis::CorrelationPlan& plan) override {
    const v1::CorrelationPlan proto = PlanProto(plan);
    const std::lock_guard lock(mutex_);
    *record_.mutable_operation()->mutable_correlation_plan() = proto;
  }
  void OnStudyPlan(const analysis::StudyPlan& plan) override {
    const std::lock_guard lock(mutex_);
    *record_.mutable_operation()->mutable_study_plan() = StudyPlanProto(plan);
  }
  void OnStage(std::string_view stage) override {
    const std::lock_guard lock(mutex_);
    record_.mutable_operation()->mutable_progress()->set_stage(std::string(stage));
  }
  void OnTotalTokens(int64_t tokens) override {
    const std::lock_guard lock(mutex_);
    record_.mutable_operation()->mutable_progress()->set_total_tokens(tokens);
  }
  void OnTokens(int64_t tokens) override {
    on_tokens_(tokens);
    const std::lock_guard lock(mutex_);
    v1::OperationProgress& progress = *record_.mutable_operation()->mutable_progress();
    progress.set_done_tokens(progress.done_tokens() + tokens);
    EstimateRest(progress);
  }

  // --- for the manager.
  OperationRecord record() const {
    const std::lock_guard lock(mutex_);
    return record_;
  }
  // Without the request, which may be large.
  v1::Operation operation() const {
    const std::lock_guard lock(mutex_);
    return record_.operation();
  }
  void Cancel() { cancelled_ = true; }
  // Asked to end, though it may take a batch until it does.
  bool cancelled() const { return cancelled_; }
  // Moves to RUNNING; false where it has ended before it began.
  bool Begin() {
    const std::lock_guard lock(mutex_);
    if (ending_) return false;
    v1::Operation& operation = *record_.mutable_operation();
    operation.set_state(v1::OPERATION_STATE_RUNNING);
    *operation.mutable_start_time() = Now();
    operation.clear_progress();  // what a former process did is done again, or in the store
    return true;
  }
  // The record with its end, to be stored and then shown; nothing where something else ends it
  // already. A queued one can be ended by Cancel while the worker is about to begin it: the first
  // wins.
  std::optional<OperationRecord> End(const absl::Status& status, bool only_if_queued) {
    const std::lock_guard lock(mutex_);
    const bool queued = record_.operation().state() == v1::OPERATION_STATE_QUEUED;
    if (ending_ || (only_if_queued && !queued)) return std::nullopt;
    ending_ = true;
    OperationRecord ended = record_;
    v1::Operation& operation = *ended.mutable_operation();
    operation.set_state(status.ok()                 ? v1::OPERATION_STATE_SUCCEEDED
                        : absl::IsCancelled(status) ? v1::OPERATION_STATE_CANCELLED
                                                    : v1::OPERATION_STATE_FAILED);
    operation.mutable_progress()->clear_estimated_remaining();
    if (status.ok()) {
      operation.mutable_progress()->set_stage("done");
    } else {
      SetError(status, operation);
    }
    *operation.mutable_end_time() = Now();
    return ended;
  }
  void Show(OperationRecord ended) {
    const std::lock_guard lock(mutex_);
    record_ = std::move(ended);
  }

 private:
  // By the rate since the first tokens: what came before them (loading) does not come again.
  void EstimateRest(v1::OperationProgress& progress) {
    const auto now = std::chrono::steady_clock::now();
    if (!first_tokens_) {
      first_tokens_ = {now, progress.done_tokens()};
      return;
    }
    const std::chrono::duration<double> elapsed = now - first_tokens_->first;
    const auto worked = static_cast<double>(progress.done_tokens() - first_tokens_->second);
    const auto rest =
        static_cast<double>(std::max<int64_t>(0, progress.total_tokens() - progress.done_tokens()));
    if (progress.total_tokens() == 0 || elapsed.count() < 1) return;
    *progress.mutable_estimated_remaining() =
        TimeUtil::SecondsToDuration(static_cast<int64_t>(elapsed.count() * rest / worked));
  }

  mutable std::mutex mutex_;
  std::optional<std::pair<std::chrono::steady_clock::time_point, int64_t>> first_tokens_;
  OperationRecord record_;
  bool ending_ = false;
  const std::atomic<bool>& shutting_down_;
  const TokenObserver& on_tokens_;
  std::atomic<bool> cancelled_ = false;
};

OperationManager::OperationManager(store::Store* store, DeviceWorker* worker, EndObserver on_end,
                                   TokenObserver on_tokens)
    : store_(store),
      worker_(worker),
      on_end_(std::move(on_end)),
      on_tokens_(std::move(on_tokens)) {}

OperationManager::~OperationManager() = default;

std::string OperationManager::NewId() {
  // Microseconds since 1970 in hexadecimal, made to ascend: sorts by time of creation.
  const int64_t now = TimeUtil::TimestampToMicroseconds(Now());
  std::string id;
  do {  // the clock may have been set back since a former process
    last_id_ = std::max(last_id_ + 1, now);
    id = absl::StrFormat("%014x", last_id_);
  } while (store_->GetOperation(id).ok());
  return id;
}

absl::Status OperationManager::Save(const Active& active) const {
  return SaveRecord(*store_, active.record());
}

std::shared_ptr<OperationManager::Active> OperationManager::FindActive(
    const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = active_.find(name);
  return found == active_.end() ? nullptr : found->second;
}

absl::StatusOr<v1::Operation> OperationManager::Submit(Job job) {
  OperationRecord record;
  v1::Operation& operation = *record.mutable_operation();
  operation.set_kind(job.kind);
  operation.set_state(v1::OPERATION_STATE_QUEUED);
  SetResults(job, operation);
  *operation.mutable_create_time() = Now();
  record.set_request(job.request);
  // Held to the end: of two equal requests at once, the second finds the first.
  const std::lock_guard lock(mutex_);
  for (const auto& [name, active] : active_) {
    // One that was asked to end is of no use to who asks now.
    if (active->cancelled()) continue;
    v1::Operation running = active->operation();
    if (HasResults(running, job) && !HasEnded(running)) return running;
  }
  operation.set_name(FormatName(kOperations, NewId()));
  const auto active = std::make_shared<Active>(std::move(record), shutting_down_, on_tokens_);
  HOMOLOG_RETURN_IF_ERROR(Save(*active));
  v1::Operation submitted = active->operation();
  active_[submitted.name()] = active;
  if (const absl::Status status = worker_->Post(Task(std::move(job), active)); !status.ok()) {
    active_.erase(submitted.name());
    HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kOperations, submitted.name()));
    store_->DeleteOperation(id).IgnoreError();  // the refusal matters more
    return status;
  }
  return submitted;
}

DeviceWorker::Task OperationManager::Task(Job job, std::shared_ptr<Active> active) {
  return [this, job = std::move(job), active = std::move(active)] { Run(job, active); };
}

void OperationManager::Run(const Job& job, const std::shared_ptr<Active>& active) {
  if (shutting_down_ || !active->Begin()) return;
  Save(*active).IgnoreError();  // only informs; the end is what counts
  const absl::Status status = RunJob(job, active->operation().name(), *active);
  // Interrupted by the shutdown: stays unended, and the next process resumes it.
  if (shutting_down_ && ErrorReason(status) == "SHUTTING_DOWN") return;
  End(active, status);
}

void OperationManager::End(const std::shared_ptr<Active>& active, const absl::Status& status) {
  std::optional<OperationRecord> ended = active->End(status, /*only_if_queued=*/false);
  // Not on disk, it is resumed by the next process, which finds the result.
  if (ended) Retire(active, *std::move(ended)).IgnoreError();
}

absl::Status OperationManager::Retire(const std::shared_ptr<Active>& active,
                                      OperationRecord ended) {
  // First the disk: who sees that it has ended may delete it, and then it must stay deleted.
  absl::Status saved = SaveRecord(*store_, ended);
  const v1::Operation operation = ended.operation();
  active->Show(std::move(ended));
  if (saved.ok()) {  // else only this process knows that it has ended
    const std::lock_guard lock(mutex_);
    active_.erase(operation.name());
  }
  on_end_(operation);
  return saved;
}

absl::StatusOr<v1::Operation> OperationManager::Finished(const Job& job, const std::string& name) {
  if (absl::StatusOr<v1::Operation> known = Get(name);
      known.ok() && known->state() == v1::OPERATION_STATE_SUCCEEDED && HasResults(*known, job)) {
    return known;
  }
  OperationRecord record;
  v1::Operation& operation = *record.mutable_operation();
  operation.set_kind(job.kind);
  operation.set_state(v1::OPERATION_STATE_SUCCEEDED);
  SetResults(job, operation);
  *operation.mutable_create_time() = Now();
  *operation.mutable_end_time() = operation.create_time();
  {
    const std::lock_guard lock(mutex_);
    operation.set_name(FormatName(kOperations, NewId()));
  }
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kOperations, operation.name()));
  HOMOLOG_RETURN_IF_ERROR(store_->PutOperation(id, record.SerializeAsString()));
  return operation;
}

absl::StatusOr<v1::Operation> OperationManager::Get(const std::string& name) const {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kOperations, name));
  if (const auto active = FindActive(name)) return active->operation();
  absl::StatusOr<std::string> bytes = store_->GetOperation(id);
  if (absl::IsNotFound(bytes.status())) {
    return NotFound(
        "OPERATION_NOT_FOUND",
        absl::StrCat("there is no operation ", name, "; ListOperations shows those that are known"),
        {{"operation", name}});
  }
  HOMOLOG_RETURN_IF_ERROR(bytes.status());
  HOMOLOG_ASSIGN_OR_RETURN(const OperationRecord record, ParseRecord(id, *bytes));
  return record.operation();
}

absl::StatusOr<v1::ListOperationsResponse> OperationManager::List(
    int page_size, const std::string& page_token) const {
  HOMOLOG_ASSIGN_OR_RETURN(const store::Page page, store_->ListOperations(page_size, page_token));
  v1::ListOperationsResponse response;
  for (const store::Record& stored : page.records) {
    const auto active = FindActive(FormatName(kOperations, stored.id));
    if (active) {
      *response.add_operations() = active->operation();
      continue;
    }
    HOMOLOG_ASSIGN_OR_RETURN(OperationRecord record, ParseRecord(stored.id, stored.bytes));
    *response.add_operations() = std::move(*record.mutable_operation());
  }
  response.set_next_page_token(page.next_page_token);
  return response;
}

absl::StatusOr<v1::Operation> OperationManager::Cancel(const std::string& name) {
  const auto active = FindActive(name);
  if (!active) return Get(name);
  active->Cancel();
  // A queued one ends at once; a running one at its next batch.
  if (auto ended = active->End(active->Check(), /*only_if_queued=*/true)) {
    HOMOLOG_RETURN_IF_ERROR(Retire(active, *std::move(ended)));
  }
  return active->operation();
}

absl::Status OperationManager::Delete(const std::string& name) {
  HOMOLOG_ASSIGN_OR_RETURN(const v1::Operation operation, Get(name));
  if (!HasEnded(operation)) {
    return FailedPrecondition(
        "OPERATION_RUNNING",
        absl::StrCat("operation ", name, " has not ended; cancel it first, or wait for it"),
        {{"operation", name}});
  }
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kOperations, name));
  HOMOLOG_RETURN_IF_ERROR(store_->DeleteOperation(id));
  const std::lock_guard lock(mutex_);
  active_.erase(name);  // where its end could not be stored
  return absl::OkStatus();
}

absl::Status OperationManager::Resume(const JobFactory& factory) {
  std::vector<OperationRecord> unended;
  std::string page_token;
  do {
    HOMOLOG_ASSIGN_OR_RETURN(const store::Page page,
                             store_->ListOperations(kResumePage, page_token));
    for (const store::Record& stored : page.records) {
      absl::StatusOr<OperationRecord> record = ParseRecord(stored.id, stored.bytes);
      if (record.ok() && !HasEnded(record->operation())) unended.push_back(*std::move(record));
    }
    page_token = page.next_page_token;
  } while (!page_token.empty());

  for (OperationRecord& record : unended) {
    const std::string name = record.operation().name();
    record.mutable_operation()->set_state(v1::OPERATION_STATE_QUEUED);
    absl::StatusOr<Job> job = factory(record.operation().kind(), record.request());
    const auto active = std::make_shared<Active>(std::move(record), shutting_down_, on_tokens_);
    {
      const std::lock_guard lock(mutex_);
      active_[name] = active;
    }
    absl::Status status = job.status();
    // Under another name the result would not be the one that was promised.
    if (status.ok() && !HasResults(active->operation(), *job)) {
      status = FailedPrecondition("INPUTS_CHANGED",
                                  "checkpoints, the data set or this server's algorithms are not "
                                  "what they were when it was asked for; ask again");
    }
    // Beyond the queue's limit, if need be: it was accepted.
    if (status.ok()) status = worker_->PostAccepted(Task(*std::move(job), active));
    if (!status.ok()) End(active, Annotate(status, "after a restart"));
  }
  return absl::OkStatus();
}

void OperationManager::BeginShutdown() { shutting_down_ = true; }

}  // namespace homolog::operations
