#include "server/operations/operation_manager.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <exception>
#include <new>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "server/operations/operation_record.h"
#include "server/results/paging.h"

namespace homolog::operations {
namespace {

using google::protobuf::util::TimeUtil;
using storage::v1::OperationRecord;

// For a listing, which must not fail for one of them.
v1::Operation Damaged(const std::string& id, const absl::Status& status) {
  v1::Operation operation;
  operation.set_name(FormatName(kOperations, id));
  operation.set_state(v1::OPERATION_STATE_FAILED);
  operation.mutable_error()->ParseFromString(SerializeError(status));
  return operation;
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
    active->Save().IgnoreError();
    Requeue({job, active});
    EndIfCancelled(active);
    return;
  }
  // Interrupted by the shutdown: stays unended, and the next process resumes it.
  if (shared_.shutting_down && reason == "SHUTTING_DOWN") {
    active->Pause();
    active->Save().IgnoreError();
    return;
  }
  if (reason == "DEVICE_LOST" && options_.on_device_lost) {
    BeginShutdown();  // what comes next would fail, too
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

void OperationManager::End(const std::shared_ptr<ActiveOperation>& active,
                           const absl::Status& status) {
  if (active->End(status, /*only_if_waiting=*/false)) Retire(active).IgnoreError();
}

absl::Status OperationManager::Retire(const std::shared_ptr<ActiveOperation>& active) {
  // First the disk: who sees that it has ended may delete it, and then it must stay deleted; and
  // what was seen must not change. Where the disk does not take it: later, in Maintain.
  const absl::StatusOr<bool> saved = active->SaveEnd();
  if (!saved.ok()) {
    active->OnWaitingForStore(saved.status());
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

std::set<std::string> OperationManager::UnendedNames() const {
  const std::lock_guard lock(mutex_);
  std::set<std::string> names;
  for (const auto& [name, active] : active_) names.insert(name);
  return names;
}

void OperationManager::BeginShutdown() { shared_.shutting_down = true; }

}  // namespace homolog::operations
