#include "server/operations/operation_manager.h"

// Who asks for what: which requests lead to which operation.
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "common/text.h"
#include "server/operations/operation_record.h"

namespace homolog::operations {
namespace {

using google::protobuf::util::TimeUtil;
using storage::v1::OperationRecord;

// Of requests that share one operation: its record grows by each.
constexpr int kMostRequestIds = 1000;
constexpr std::chrono::seconds kRetryDelay{10};

absl::Status IdReused(const Requester& requester, const std::string& operation) {
  return InvalidArgument("REQUEST_ID_REUSED",
                         absl::StrCat("request_id ", Quoted(requester.request_id),
                                      " came with another request before, which led to ", operation,
                                      "; choose another id for another request"),
                         {{"operation", operation}});
}

}  // namespace

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
    if (active->cancelled() || active->ending()) continue;
    v1::Operation running = active->operation();
    if (!HasResults(running, job)) continue;
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
    // Only what was tried may be read back from the log.
    const std::string tried = ErrorValue(saved, "bytes");
    if (ErrorReason(saved) != "STORE_READ_ONLY" || tried != "0") refused_.push_back(name);
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

absl::StatusOr<v1::Operation> OperationManager::Finished(const Job& job,
                                                         const Requester& requester) {
  const std::lock_guard lock(mutex_);
  HOMOLOG_ASSIGN_OR_RETURN(std::optional<v1::Operation> known,
                           FindRequestLocked(requester, job.kind, job.request));
  if (known) return *std::move(known);
  OperationRecord record = FindSucceededLocked(job);
  const bool is_new = record.operation().name().empty();
  if (is_new) {
    record = NewRecordLocked(job, requester);
    v1::Operation& operation = *record.mutable_operation();
    operation.set_state(v1::OPERATION_STATE_SUCCEEDED);
    operation.mutable_progress()->set_stage("done");
    *operation.mutable_end_time() = operation.create_time();
  } else {
    const bool is_kept =
        !requester.request_id.empty() && record.request_ids_size() < kMostRequestIds;
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

}  // namespace homolog::operations
