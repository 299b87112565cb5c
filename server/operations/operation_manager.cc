#include "server/operations/operation_manager.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <exception>
#include <new>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "common/text.h"

namespace homolog::operations {
namespace {

using google::protobuf::util::TimeUtil;
using storage::v1::OperationRecord;

constexpr int kRecordsPerPage = 1000;
// Of requests that share one operation: its record grows by each.
constexpr int kMostRequestIds = 1000;
constexpr size_t kLongestRequestId = 64;
constexpr std::chrono::seconds kRetryDelay{10};

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

std::string RequestKey(const Requester& requester) {
  return absl::StrCat(requester.client, "/", requester.request_id);
}

absl::Status CheckRequestId(const std::string& id) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  if (id.size() <= kLongestRequestId && id.find_first_not_of(kPlain) == std::string::npos) {
    return absl::OkStatus();
  }
  return InvalidArgument("INVALID_REQUEST_ID",
                         absl::StrCat("request_id ", Quoted(id), " must be 1 to ",
                                      kLongestRequestId, " letters, digits, '.', '_' and '-'"));
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
  if (requester.request_id.empty()) return std::optional<v1::Operation>();
  HOMOLOG_RETURN_IF_ERROR(CheckRequestId(requester.request_id));
  std::string name;
  {
    const std::lock_guard lock(mutex_);
    const auto found = by_request_id_.find(RequestKey(requester));
    if (found == by_request_id_.end()) return std::optional<v1::Operation>();
    name = found->second;
  }
  absl::StatusOr<OperationRecord> record = Record(name);
  if (absl::IsNotFound(record.status())) return std::optional<v1::Operation>();  // just deleted
  HOMOLOG_RETURN_IF_ERROR(record.status());
  if (record->operation().kind() != kind || record->request() != request) {
    return InvalidArgument("REQUEST_ID_REUSED",
                           absl::StrCat("request_id ", Quoted(requester.request_id),
                                        " came with another request before, which led to ", name,
                                        "; choose another id for another request"),
                           {{"operation", name}});
  }
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
    if (requester.request_id.empty()) return std::optional<v1::Operation>(std::move(running));
    if (active->record().request_ids_size() >= kMostRequestIds) {
      return ResourceExhausted("TOO_MANY_REQUEST_IDS",
                               absl::StrCat(name, " was asked for with ", kMostRequestIds,
                                            " request_ids already; follow it by its name"));
    }
    const auto [entry, is_new] = by_request_id_.emplace(RequestKey(requester), name);
    if (is_new) {
      active->AddRequestId(entry->first);
      HOMOLOG_RETURN_IF_ERROR(active->Save());
    }
    return std::optional<v1::Operation>(std::move(running));
  }
  return std::optional<v1::Operation>();
}

absl::Status OperationManager::CheckClientLocked(const std::string& client) const {
  size_t own = 0;
  for (const auto& [name, active] : active_) own += active->client() == client ? 1 : 0;
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
  if (!requester.request_id.empty()) record.add_request_ids(RequestKey(requester));
  return record;
}

absl::StatusOr<v1::Operation> OperationManager::Submit(Job job, const Requester& requester) {
  if (shared_.shutting_down) {
    return MakeError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN",
                     "the server is shutting down; ask again once it is back");
  }
  // Held to the end: of two equal requests at once, the second finds the first.
  const std::lock_guard lock(mutex_);
  HOMOLOG_ASSIGN_OR_RETURN(std::optional<v1::Operation> joined, JoinLocked(job, requester));
  if (joined) return *std::move(joined);
  HOMOLOG_RETURN_IF_ERROR(CheckClientLocked(requester.client));
  const auto active = std::make_shared<ActiveOperation>(NewRecordLocked(job, requester), shared_);
  HOMOLOG_RETURN_IF_ERROR(active->Save());
  v1::Operation submitted = active->operation();
  active_[submitted.name()] = active;
  absl::Status posted = worker_->Post(requester.client, Task(std::move(job), active));
  if (!posted.ok()) {
    active_.erase(submitted.name());
    HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kOperations, submitted.name()));
    store_->DeleteOperation(id).IgnoreError();  // the refusal matters more
    return posted;
  }
  if (!requester.request_id.empty()) {
    by_request_id_[RequestKey(requester)] = submitted.name();
  }
  return submitted;
}

DeviceWorker::Task OperationManager::Task(Job job, std::shared_ptr<ActiveOperation> active) {
  return [this, job = std::move(job), active = std::move(active)] { Run(job, active); };
}

void OperationManager::Run(const Job& job, const std::shared_ptr<ActiveOperation>& active) {
  if (shared_.shutting_down || !active->Begin()) return;
  active->Save().IgnoreError();  // only informs; the end is what counts
  const absl::Status status = RunJob(job, active->operation().name(), *active);
  const std::string reason = ErrorReason(status);
  if (reason == analysis::kYielded) {
    active->Pause();
    // Refused only when stopping: then it stays unended.
    worker_->PostAccepted(active->client(), Task(job, active)).IgnoreError();
    return;
  }
  // Interrupted by the shutdown: stays unended, and the next process resumes it.
  if (shared_.shutting_down && reason == "SHUTTING_DOWN") {
    active->Pause();
    active->Save().IgnoreError();
    return;
  }
  if (reason == "DEVICE_LOST" && options_.on_device_lost) {
    options_.on_device_lost(status);
    return;
  }
  End(active, status);
}

void OperationManager::End(const std::shared_ptr<ActiveOperation>& active,
                           const absl::Status& status) {
  if (auto ended = active->End(status, /*only_if_queued=*/false)) {
    Retire(active, *std::move(ended)).IgnoreError();
  }
}

absl::Status OperationManager::Retire(const std::shared_ptr<ActiveOperation>& active,
                                      OperationRecord ended) {
  // First the disk: who sees that it has ended may delete it, and then it must stay deleted.
  absl::Status saved = active->SaveEnd(ended);
  const v1::Operation operation = ended.operation();
  active->Show(std::move(ended));
  if (saved.ok()) {  // else only this process knows that it has ended
    const std::lock_guard lock(mutex_);
    active_.erase(operation.name());
  }
  on_end_(operation);
  return saved;
}

absl::StatusOr<v1::Operation> OperationManager::Finished(const Job& job, const std::string& name,
                                                         const Requester& requester) {
  const absl::StatusOr<OperationRecord> known = Record(name);
  const bool is_it = known.ok() && known->operation().state() == v1::OPERATION_STATE_SUCCEEDED &&
                     HasResults(known->operation(), job);
  if (is_it && requester.request_id.empty()) return known->operation();
  const std::lock_guard lock(mutex_);
  // A request with an id is told apart by its bytes, which another one's record does not have.
  OperationRecord record = NewRecordLocked(job, requester);
  v1::Operation& operation = *record.mutable_operation();
  operation.set_state(v1::OPERATION_STATE_SUCCEEDED);
  operation.mutable_progress()->set_stage("done");
  *operation.mutable_end_time() = operation.create_time();
  HOMOLOG_RETURN_IF_ERROR(SaveRecord(*store_, record));
  if (!requester.request_id.empty()) {
    by_request_id_[RequestKey(requester)] = operation.name();
  }
  return operation;
}

absl::StatusOr<OperationRecord> OperationManager::Record(const std::string& name) const {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kOperations, name));
  if (const auto active = FindActive(name)) return active->record();
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
  HOMOLOG_ASSIGN_OR_RETURN(const OperationRecord record, Record(name));
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
  if (auto ended = active->End(active->Interruption(), /*only_if_queued=*/true)) {
    HOMOLOG_RETURN_IF_ERROR(Retire(active, *std::move(ended)));
    return active->operation();
  }
  HOMOLOG_RETURN_IF_ERROR(active->Save());  // acknowledged, it holds after a restart, too
  return active->operation();
}

absl::Status OperationManager::Delete(const std::string& name) {
  HOMOLOG_ASSIGN_OR_RETURN(const OperationRecord record, Record(name));
  if (!HasEnded(record.operation())) {
    return FailedPrecondition(
        "OPERATION_RUNNING",
        absl::StrCat("operation ", name, " has not ended; cancel it first, or wait for it"),
        {{"operation", name}});
  }
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kOperations, name));
  HOMOLOG_RETURN_IF_ERROR(store_->DeleteOperation(id));
  const std::lock_guard lock(mutex_);
  for (const std::string& key : record.request_ids()) by_request_id_.erase(key);
  active_.erase(name);  // where its end could not be stored
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
      for (const std::string& key : record->request_ids()) {
        by_request_id_[key] = record->operation().name();
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
  record.mutable_operation()->set_state(v1::OPERATION_STATE_QUEUED);
  absl::StatusOr<Job> job = factory(record.operation().kind(), record.request());
  absl::Status status = CheckResumed(record, job);
  const auto active = std::make_shared<ActiveOperation>(std::move(record), shared_);
  if (active->cancelled()) status = active->Interruption();
  {
    const std::lock_guard lock(mutex_);
    active_[name] = active;
  }
  // Beyond the queue's limit, if need be: it was accepted.
  if (status.ok()) status = worker_->PostAccepted(active->client(), Task(*std::move(job), active));
  if (!status.ok()) End(active, Annotate(status, "after a restart"));
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
