#include "server/operations/operation_manager.h"

// What waits for the store, and what a former process left.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "server/operations/operation_record.h"

namespace homolog::operations {

using storage::v1::OperationRecord;

void OperationManager::Postpone(Unended unended, const absl::Status& status) {
  const std::shared_ptr<ActiveOperation> active = unended.active;
  active->OnWaitingForStore(status);
  active->Pause();
  active->Save().IgnoreError();  // an attempt that ended here did not end the server
  int64_t bytes = 0;             // of what it could not write; 0: it did not try
  if (!absl::SimpleAtoi(ErrorValue(status, "bytes"), &bytes)) bytes = 0;
  if (options_.on_postponed) options_.on_postponed(active->operation(), status);
  {
    const std::lock_guard lock(mutex_);
    postponed_.push_back(
        {std::move(unended), bytes, std::chrono::steady_clock::now() + active->NextPostponement()});
  }
  EndIfCancelled(active);
}

// After it has begun to wait: who cancelled it just before found it where it was then, running or
// on its way to the queue. One that the worker has begun by now ends itself.
void OperationManager::EndIfCancelled(const std::shared_ptr<ActiveOperation>& active) {
  if (!active->cancelled()) return;
  Unqueue(active->operation());
  if (active->End(active->Interruption(), /*only_if_waiting=*/true)) Retire(active).IgnoreError();
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
  for (const Unended& unended : going_on) {
    Requeue(unended);
    EndIfCancelled(unended.active);
  }
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

// Its place is for others, and its memory.
void OperationManager::Unqueue(const v1::Operation& operation) {
  worker_->Drop(operation.client(), operation.name());
  const std::lock_guard lock(mutex_);
  std::erase_if(postponed_, [&](const Postponed& postponed) {
    return postponed.unended.active->operation().name() == operation.name();
  });
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

}  // namespace homolog::operations
