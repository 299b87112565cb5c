#include "server/operations/operation_manager.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <exception>
#include <new>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "common/text.h"
#include "server/operations/operation_record.h"
#include "server/results/paging.h"

namespace homolog::operations {
namespace {

using google::protobuf::util::TimeUtil;
using storage::v1::OperationRecord;

constexpr int kRecordsPerPage = 1000;
// Of requests that share one operation: its record grows by each.
constexpr int kMostRequestIds = 1000;
constexpr std::chrono::seconds kRetryDelay{10};

// For a listing, which must not fail for one of them.
v1::Operation Damaged(const std::string& id, const absl::Status& status) {
  v1::Operation operation;
  operation.set_name(FormatName(kOperations, id));
  operation.set_state(v1::OPERATION_STATE_FAILED);
  operation.mutable_error()->ParseFromString(SerializeError(status));
  return operation;
}

// The store may take its results later.
bool CameOfTheStore(const absl::Status& status) {
  const std::string reason = ErrorReason(status);
  return reason == "STORE_READ_ONLY" || reason == "STORE_FULL";
}

absl::Status IdReused(const Requester& requester, const std::string& operation) {
  return InvalidArgument("REQUEST_ID_REUSED",
                         absl::StrCat("request_id ", Quoted(requester.request_id),
                                      " came with another request before, which led to ", operation,
                                      "; choose another id for another request"),
                         {{"operation", operation}});
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

}  // namespace

OperationManager::OperationManager(store::Store* store, DeviceWorker* worker, EndObserver on_end,
                                   TokenObserver on_tokens, Options options)
    : store_(store), worker_(worker), on_end_(std::move(on_end)), options_(std::move(options)) {
  shared_.worker = worker;
  shared_.on_tokens = std::move(on_tokens);
  shared_.save = [store](const OperationRecord& record) { return SaveRecord(*store, record); };
}

OperationManager::~OperationManager() = default;

std::string OperationManager::NewIdLocked() {
  // Microseconds since 1970 in hexadecimal, made to ascend: sorts by time of creation.
  const int64_t now = TimeUtil::TimestampToMicroseconds(Now());
  std::string id;
  do {  // the clock may have been set back since a former process
    last_id_ = std::max(last_id_ + 1, now);
    id = absl::StrFormat("%014x", last_id_);
  } while (store_->GetOperation(id).ok());
  return id;
}

std::shared_ptr<ActiveOperation> OperationManager::FindActive(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = active_.find(name);
  return found == active_.end() ? nullptr : found->second;
}

OperationManager::Counts OperationManager::counts() const {
  const std::lock_guard lock(mutex_);
  Counts counts;
  for (const auto& [name, active] : active_) {
    const v1::OperationState state = active->operation().state();
    if (state == v1::OPERATION_STATE_QUEUED) ++counts.queued;
    if (state == v1::OPERATION_STATE_RUNNING) ++counts.running;
  }
  return counts;
}

absl::StatusOr<std::optional<v1::Operation>> OperationManager::FindRequest(
    const Requester& requester, const std::string& kind, const std::string& request) const {
  const std::lock_guard lock(mutex_);
  return FindRequestLocked(requester, kind, request);
}

absl::StatusOr<std::optional<v1::Operation>> OperationManager::FindRequestLocked(
    const Requester& requester, const std::string& kind, const std::string& request) const {
  if (requester.request_id.empty()) return std::optional<v1::Operation>();
  HOMOLOG_RETURN_IF_ERROR(CheckRequestId(requester.request_id));
  const RequestIds::Entry* const known = request_ids_.Find(requester);
  if (known == nullptr) return std::optional<v1::Operation>();
  if (known->digest != DigestOfRequest(kind, request)) {
    return IdReused(requester, known->operation);
  }
  const absl::StatusOr<OperationRecord> record = RecordLocked(known->operation);
  if (absl::IsNotFound(record.status())) return std::optional<v1::Operation>();
  HOMOLOG_RETURN_IF_ERROR(record.status());
  return std::optional<v1::Operation>(record->operation());
}

// An operation under way that has the job's results, and from now on the request's id.
absl::StatusOr<std::optional<v1::Operation>> OperationManager::JoinLocked(
    const Job& job, const Requester& requester) {
  for (const auto& [name, active] : active_) {
    // One that was asked to end is of no use to who asks now.
    if (active->cancelled()) continue;
    v1::Operation running = active->operation();
    if (!HasResults(running, job) || HasEnded(running)) continue;
    HOMOLOG_ASSIGN_OR_RETURN(const bool joined, AddRequestLocked(*active, job, requester));
    if (joined) return std::optional<v1::Operation>(std::move(running));
  }
  return std::optional<v1::Operation>();
}

// False where the operation has just ended.
absl::StatusOr<bool> OperationManager::AddRequestLocked(ActiveOperation& active, const Job& job,
                                                        const Requester& requester) {
  if (requester.request_id.empty()) return true;
  const OperationRecord record = active.record();
  const std::string& name = record.operation().name();
  if (record.request_ids_size() >= kMostRequestIds) {
    return ResourceExhausted("TOO_MANY_REQUEST_IDS",
                             absl::StrCat(name, " was asked for with ", kMostRequestIds,
                                          " request_ids already; follow it by its name"));
  }
  const std::string key = RequestKey(requester), digest = DigestOfRequest(job.kind, job.request);
  if (const RequestIds::Entry* const known = request_ids_.Find(requester)) {
    // The same request, sent twice at once.
    if (known->operation == name && known->digest == digest) return true;
    return IdReused(requester, known->operation);
  }
  HOMOLOG_ASSIGN_OR_RETURN(const bool added, active.AddRequest(key, digest));
  if (added) request_ids_.Add(key, {name, digest});
  return added;
}

absl::Status OperationManager::CheckClientLocked(const std::string& client) const {
  size_t own = 0;
  for (const auto& [name, active] : active_) {
    own += active->client() == client && !active->ending() ? 1 : 0;
  }
  if (own < options_.operations_per_client) return absl::OkStatus();
  return WithRetryDelay(
      ResourceExhausted("CLIENT_QUEUE_FULL",
                        absl::StrCat(own, " operations of ", client, " wait or run, of ",
                                     options_.operations_per_client,
                                     " that one client may have; ask again when one has ended"),
                        {{"client", client},
                         {"operations_per_client", absl::StrCat(options_.operations_per_client)}}),
      kRetryDelay);
}

OperationRecord OperationManager::NewRecordLocked(const Job& job, const Requester& requester) {
  OperationRecord record;
  v1::Operation& operation = *record.mutable_operation();
  operation.set_name(FormatName(kOperations, NewIdLocked()));
  operation.set_kind(job.kind);
  operation.set_state(v1::OPERATION_STATE_QUEUED);
  operation.set_client(requester.client);
  SetResults(job, operation);
  *operation.mutable_create_time() = Now();
  record.set_request(job.request);
  if (!requester.request_id.empty()) {
    AddRequestTo(record, RequestKey(requester), DigestOfRequest(job.kind, job.request));
  }
  return record;
}

absl::StatusOr<v1::Operation> OperationManager::Submit(Job job, const Requester& requester) {
  if (shared_.shutting_down) {
    return MakeError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN",
                     "the server is shutting down; ask again once it is back");
  }
  // Held to the end: of two equal requests at once, the second finds the first.
  const std::lock_guard lock(mutex_);
  // Again: of two requests with one id at once, the other one may have come first.
  HOMOLOG_ASSIGN_OR_RETURN(std::optional<v1::Operation> known,
                           FindRequestLocked(requester, job.kind, job.request));
  if (known) return *std::move(known);
  HOMOLOG_ASSIGN_OR_RETURN(std::optional<v1::Operation> joined, JoinLocked(job, requester));
  if (joined) return *std::move(joined);
  HOMOLOG_RETURN_IF_ERROR(CheckClientLocked(requester.client));
  const OperationRecord record = NewRecordLocked(job, requester);
  const auto active = std::make_shared<ActiveOperation>(record, shared_);
  const std::string& name = record.operation().name();
  if (absl::Status saved = active->Save(); !saved.ok()) {
    refused_.push_back(name);
    return saved;
  }
  active_[name] = active;
  absl::Status posted = worker_->Post(requester.client, Task(std::move(job), active), name);
  if (!posted.ok()) {
    active_.erase(name);
    refused_.push_back(name);
    DeleteRefusedLocked();
    return posted;
  }
  request_ids_.Add(record);
  return record.operation();
}

DeviceWorker::Task OperationManager::Task(Job job, std::shared_ptr<ActiveOperation> active) {
  return [this, job = std::move(job), active = std::move(active)] { Run(job, active); };
}

void OperationManager::Run(const Job& job, const std::shared_ptr<ActiveOperation>& active) {
  if (shared_.shutting_down || !active->Begin()) return;
  active->Save().IgnoreError();  // only informs; the end is what counts
  const absl::Status status = RunJob(job, active->operation().name(), *active);
  const std::string reason = ErrorReason(status);
  if (reason == analysis::kYielded && !active->cancelled()) {
    active->Pause();
    Requeue({job, active});
    return;
  }
  // Interrupted by the shutdown: stays unended, and the next process resumes it.
  if (shared_.shutting_down && reason == "SHUTTING_DOWN") {
    active->Pause();
    active->Save().IgnoreError();
    return;
  }
  if (reason == "DEVICE_LOST" && options_.on_device_lost) {
    shared_.shutting_down = true;  // what comes next would fail, too
    options_.on_device_lost(status);
    return;
  }
  if (CameOfTheStore(status)) {
    Postpone({job, active}, status);
    return;
  }
  End(active, reason == analysis::kYielded ? active->Interruption() : status);
}

void OperationManager::Requeue(const Unended& unended) {
  const v1::Operation operation = unended.active->operation();
  // Refused only when stopping: then it stays unended.
  worker_->PostAccepted(operation.client(), Task(unended.job, unended.active), operation.name())
      .IgnoreError();
}

void OperationManager::Postpone(Unended unended, const absl::Status& status) {
  const std::shared_ptr<ActiveOperation> active = unended.active;
  active->OnStage("waiting for the store");
  active->Pause();
  int64_t bytes = 0;  // of what it could not write; 0: it did not try
  if (!absl::SimpleAtoi(ErrorValue(status, "bytes"), &bytes)) bytes = 0;
  if (options_.on_postponed) options_.on_postponed(active->operation(), status);
  {
    const std::lock_guard lock(mutex_);
    postponed_.push_back(
        {std::move(unended), bytes, std::chrono::steady_clock::now() + active->NextPostponement()});
  }
  // Cancelled meanwhile: whoever did that may have found it neither running nor waiting.
  if (!active->cancelled()) return;
  Unqueue(active->operation());
  End(active, active->Interruption());
}

void OperationManager::Maintain() {
  std::vector<Unended> going_on;
  std::vector<v1::Operation> ended;
  {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    std::erase_if(postponed_, [&](Postponed& postponed) {
      const bool goes_on = now >= postponed.not_before && store_->CheckWrites(postponed.bytes).ok();
      if (goes_on) going_on.push_back(std::move(postponed.unended));
      return goes_on;
    });
    DeleteRefusedLocked();
    ended = SaveEndsLocked();
  }
  for (const Unended& unended : going_on) Requeue(unended);
  for (const v1::Operation& operation : ended) on_end_(operation);
}

// Operations that nobody was promised. A write that failed may have been read back from the log
// when the store was opened anew.
void OperationManager::DeleteRefusedLocked() {
  if (!store_->CheckWrites(0).ok()) return;
  std::erase_if(refused_, [&](const std::string& name) {
    const absl::StatusOr<std::string> id = ParseName(kOperations, name);
    if (!id.ok()) return true;
    const absl::Status deleted = store_->DeleteOperation(*id);
    return deleted.ok() || absl::IsNotFound(deleted);
  });
}

// Of those whose end the store did not take when they ended.
std::vector<v1::Operation> OperationManager::SaveEndsLocked() {
  std::vector<v1::Operation> saved;
  std::erase_if(active_, [&](const auto& entry) {
    ActiveOperation& active = *entry.second;
    if (!active.ending() || !active.SaveEnd().value_or(false)) return false;
    active.Show();
    const OperationRecord record = active.record();
    IndexLocked(record);
    saved.push_back(record.operation());
    return true;
  });
  return saved;
}

void OperationManager::End(const std::shared_ptr<ActiveOperation>& active,
                           const absl::Status& status) {
  if (active->End(status, /*only_if_waiting=*/false)) Retire(active).IgnoreError();
}

absl::Status OperationManager::Retire(const std::shared_ptr<ActiveOperation>& active) {
  // First the disk: who sees that it has ended may delete it, and then it must stay deleted; and
  // what was seen must not change. Where the disk does not take it: later, in Maintain.
  const absl::StatusOr<bool> saved = active->SaveEnd();
  if (!saved.ok()) {
    active->OnStage("waiting for the store");
    return saved.status();
  }
  {
    const std::lock_guard lock(mutex_);
    if (!*saved) return absl::OkStatus();  // Maintain did all this, with the lock held
    active->Show();
    active_.erase(active->operation().name());
    IndexLocked(active->record());
  }
  on_end_(active->operation());
  return absl::OkStatus();
}

// With what it takes to find it again.
void OperationManager::IndexLocked(const OperationRecord& record) {
  request_ids_.Add(record);
  if (record.operation().state() == v1::OPERATION_STATE_SUCCEEDED) {
    succeeded_[ResultsKey(record.operation())] = record.operation().name();
  }
}

absl::StatusOr<v1::Operation> OperationManager::Finished(const Job& job,
                                                         const Requester& requester) {
  const std::lock_guard lock(mutex_);
  OperationRecord record = FindSucceededLocked(job);
  const bool is_new = record.operation().name().empty();
  if (is_new) {
    record = NewRecordLocked(job, requester);
    v1::Operation& operation = *record.mutable_operation();
    operation.set_state(v1::OPERATION_STATE_SUCCEEDED);
    operation.mutable_progress()->set_stage("done");
    *operation.mutable_end_time() = operation.create_time();
  } else {
    const bool is_kept = !requester.request_id.empty() && request_ids_.Find(requester) == nullptr &&
                         record.request_ids_size() < kMostRequestIds;
    // Beyond that, who asks again is answered from the store again.
    if (!is_kept) return record.operation();
    AddRequestTo(record, RequestKey(requester), DigestOfRequest(job.kind, job.request));
  }
  const absl::Status saved = SaveRecord(*store_, record);
  // What is there can be read while nothing can be written.
  if (!saved.ok() && (is_new || !CameOfTheStore(saved))) return saved;
  if (saved.ok()) IndexLocked(record);
  return record.operation();
}

// An empty record where there is none.
OperationRecord OperationManager::FindSucceededLocked(const Job& job) const {
  v1::Operation sought;
  SetResults(job, sought);
  const auto found = succeeded_.find(ResultsKey(sought));
  if (found == succeeded_.end()) return {};
  absl::StatusOr<OperationRecord> record = RecordLocked(found->second);
  const bool is_it = record.ok() && record->operation().state() == v1::OPERATION_STATE_SUCCEEDED &&
                     HasResults(record->operation(), job);
  return is_it ? *std::move(record) : OperationRecord();
}

absl::StatusOr<OperationRecord> OperationManager::RecordLocked(const std::string& name) const {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kOperations, name));
  const auto active = active_.find(name);
  if (active != active_.end()) return active->second->record();
  absl::StatusOr<std::string> bytes = store_->GetOperation(id);
  if (absl::IsNotFound(bytes.status())) {
    return NotFound(
        "OPERATION_NOT_FOUND",
        absl::StrCat("there is no operation ", name, "; ListOperations shows those that are known"),
        {{"operation", name}});
  }
  HOMOLOG_RETURN_IF_ERROR(bytes.status());
  return ParseRecord(id, *bytes);
}

absl::StatusOr<v1::Operation> OperationManager::Get(const std::string& name) const {
  if (const auto active = FindActive(name)) return active->operation();
  const std::lock_guard lock(mutex_);
  HOMOLOG_ASSIGN_OR_RETURN(const OperationRecord record, RecordLocked(name));
  return record.operation();
}

absl::StatusOr<v1::ListOperationsResponse> OperationManager::List(
    int page_size, const std::string& page_token) const {
  HOMOLOG_ASSIGN_OR_RETURN(store::Page page, store_->ListOperations(page_size, page_token));
  if (const int fitting = results::FittingRecords(page);
      fitting < static_cast<int>(page.records.size())) {
    HOMOLOG_ASSIGN_OR_RETURN(page, store_->ListOperations(fitting, page_token));
  }
  v1::ListOperationsResponse response;
  for (const store::Record& stored : page.records) {
    const auto active = FindActive(FormatName(kOperations, stored.id));
    if (active) {
      *response.add_operations() = active->operation();
      continue;
    }
    absl::StatusOr<OperationRecord> record = ParseRecord(stored.id, stored.bytes);
    *response.add_operations() =
        record.ok() ? std::move(*record->mutable_operation()) : Damaged(stored.id, record.status());
  }
  response.set_next_page_token(page.next_page_token);
  return response;
}

absl::StatusOr<v1::Operation> OperationManager::Cancel(const std::string& name) {
  const auto active = FindActive(name);
  if (!active) return Get(name);
  active->Cancel();
  // One that waits ends at once; a running one at its next batch.
  if (active->End(active->Interruption(), /*only_if_waiting=*/true)) {
    Unqueue(active->operation());
    HOMOLOG_RETURN_IF_ERROR(Retire(active));
    return active->operation();
  }
  HOMOLOG_RETURN_IF_ERROR(active->Save());  // acknowledged, it holds after a restart, too
  return active->operation();
}

// Its place is for others, and its memory.
void OperationManager::Unqueue(const v1::Operation& operation) {
  worker_->Drop(operation.client(), operation.name());
  const std::lock_guard lock(mutex_);
  std::erase_if(postponed_, [&](const Postponed& postponed) {
    return postponed.unended.active->operation().name() == operation.name();
  });
}

absl::Status OperationManager::Delete(const std::string& name) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kOperations, name));
  const std::lock_guard lock(mutex_);
  const absl::StatusOr<OperationRecord> record = RecordLocked(name);
  // Nobody works on what cannot be read.
  if (!record.ok() && ErrorReason(record.status()) != kDamagedOperation) return record.status();
  if (record.ok() && !HasEnded(record->operation())) {
    return FailedPrecondition(
        "OPERATION_RUNNING",
        absl::StrCat("operation ", name, " has not ended; cancel it first, or wait for it"),
        {{"operation", name}});
  }
  HOMOLOG_RETURN_IF_ERROR(store_->DeleteOperation(id));
  active_.erase(name);  // where its end could not be stored
  if (!record.ok()) return absl::OkStatus();
  request_ids_.Remove(*record);
  const auto succeeded = succeeded_.find(ResultsKey(record->operation()));
  if (succeeded != succeeded_.end() && succeeded->second == name) succeeded_.erase(succeeded);
  return absl::OkStatus();
}

absl::StatusOr<int> OperationManager::Expire(std::chrono::seconds age) {
  const google::protobuf::Timestamp oldest =
      Now() - TimeUtil::SecondsToDuration(static_cast<int64_t>(age.count()));
  std::vector<std::string> expired;
  std::string page_token;
  do {
    HOMOLOG_ASSIGN_OR_RETURN(const store::Page page,
                             store_->ListOperations(kRecordsPerPage, page_token));
    for (const store::Record& stored : page.records) {
      const absl::StatusOr<OperationRecord> record = ParseRecord(stored.id, stored.bytes);
      if (record.ok() && HasEnded(record->operation()) && record->operation().end_time() < oldest) {
        expired.push_back(record->operation().name());
      }
    }
    page_token = page.next_page_token;
  } while (!page_token.empty());
  int deleted = 0;
  for (const std::string& name : expired) deleted += Delete(name).ok() ? 1 : 0;
  return deleted;
}

absl::Status OperationManager::Resume(const JobFactory& factory) {
  std::vector<OperationRecord> unended;
  std::string page_token;
  do {
    HOMOLOG_ASSIGN_OR_RETURN(const store::Page page,
                             store_->ListOperations(kRecordsPerPage, page_token));
    for (const store::Record& stored : page.records) {
      absl::StatusOr<OperationRecord> record = ParseRecord(stored.id, stored.bytes);
      if (!record.ok()) continue;
      {
        const std::lock_guard lock(mutex_);
        IndexLocked(*record);
      }
      if (!HasEnded(record->operation())) unended.push_back(*std::move(record));
    }
    page_token = page.next_page_token;
  } while (!page_token.empty());
  // One that was running each time the server was killed lets others go first: they get done, and
  // it is not the one that the next kill meets.
  std::stable_sort(unended.begin(), unended.end(),
                   [](const OperationRecord& a, const OperationRecord& b) {
                     return a.attempts() < b.attempts();
                   });
  for (OperationRecord& record : unended) ResumeOne(std::move(record), factory);
  return absl::OkStatus();
}

void OperationManager::ResumeOne(OperationRecord record, const JobFactory& factory) {
  const std::string name = record.operation().name();
  v1::Operation& operation = *record.mutable_operation();
  operation.set_state(v1::OPERATION_STATE_QUEUED);
  operation.clear_start_time();
  operation.clear_progress();  // what a former process did is done again, or in the store
  absl::StatusOr<Job> job = factory(record.operation().kind(), record.request());
  absl::Status status = CheckResumed(record, job);
  const auto active = std::make_shared<ActiveOperation>(std::move(record), shared_);
  if (active->cancelled()) status = active->Interruption();
  {
    const std::lock_guard lock(mutex_);
    active_[name] = active;
  }
  // Beyond the queue's limit, if need be: it was accepted.
  if (status.ok()) {
    Requeue({*std::move(job), active});
    return;
  }
  End(active, Annotate(status, "after a restart"));
}

absl::Status OperationManager::CheckResumed(const OperationRecord& record,
                                            const absl::StatusOr<Job>& job) const {
  HOMOLOG_RETURN_IF_ERROR(job.status());
  // Under another name the result would not be the one that was promised.
  if (!HasResults(record.operation(), *job)) {
    return FailedPrecondition("INPUTS_CHANGED",
                              "checkpoints, the data set or this server's algorithms are not "
                              "what they were when it was asked for; ask again");
  }
  if (record.attempts() < options_.most_attempts) return absl::OkStatus();
  return MakeError(absl::StatusCode::kInternal, "ENDED_THE_SERVER",
                   absl::StrCat("the server ended ", record.attempts(),
                                " times in a row while this was running, before it had got "
                                "anywhere; if it was not killed, please report this"));
}

std::set<std::string> OperationManager::UnendedNames() const {
  const std::lock_guard lock(mutex_);
  std::set<std::string> names;
  for (const auto& [name, active] : active_) names.insert(name);
  return names;
}

void OperationManager::BeginShutdown() { shared_.shutting_down = true; }

}  // namespace homolog::operations
