#include "server/operations/active_operation.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>

#include "common/error.h"
#include "server/operations/operation_record.h"
#include "server/operations/plan_proto.h"

namespace homolog::operations {

using google::protobuf::util::TimeUtil;
using storage::v1::OperationRecord;

google::protobuf::Timestamp Now() {
  return TimeUtil::MicrosecondsToTimestamp(std::chrono::duration_cast<std::chrono::microseconds>(
                                               std::chrono::system_clock::now().time_since_epoch())
                                               .count());
}

bool HasEnded(const v1::Operation& operation) {
  return operation.state() == v1::OPERATION_STATE_SUCCEEDED ||
         operation.state() == v1::OPERATION_STATE_FAILED ||
         operation.state() == v1::OPERATION_STATE_CANCELLED;
}

ActiveOperation::ActiveOperation(OperationRecord record, const Shared& shared)
    : shared_(shared), cancelled_(record.cancel_requested()), record_(std::move(record)) {}

void ActiveOperation::Cancel() {
  cancelled_ = true;
  const std::lock_guard lock(mutex_);
  record_.set_cancel_requested(true);
}

absl::Status ActiveOperation::Interruption() const {
  if (cancelled_) {
    return MakeError(absl::StatusCode::kCancelled, "OPERATION_CANCELLED",
                     "the operation was cancelled; ask again to start anew");
  }
  if (shared_.shutting_down) {
    return MakeError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN",
                     "the server is shutting down; the operation goes on when it is back");
  }
  return absl::OkStatus();
}

absl::Status ActiveOperation::Check() {
  HOMOLOG_RETURN_IF_ERROR(Interruption());
  shared_.worker->RunShort();
  return Interruption();
}

bool ActiveOperation::ShouldYield() { return shared_.worker->OthersWait(client()); }

void ActiveOperation::OnPlan(const analysis::CorrelationPlan& plan) {
  const v1::CorrelationPlan proto = PlanProto(plan);
  const std::lock_guard lock(mutex_);
  *record_.mutable_operation()->mutable_correlation_plan() = proto;
}

void ActiveOperation::OnStudyPlan(const analysis::StudyPlan& plan) {
  const std::lock_guard lock(mutex_);
  *record_.mutable_operation()->mutable_study_plan() = StudyPlanProto(plan);
}

void ActiveOperation::OnStage(std::string_view stage) {
  const std::lock_guard lock(mutex_);
  record_.mutable_operation()->mutable_progress()->set_stage(std::string(stage));
}

void ActiveOperation::OnTotalTokens(int64_t tokens) {
  const std::lock_guard lock(mutex_);
  record_.mutable_operation()->mutable_progress()->set_total_tokens(tokens_before_ + tokens);
}

void ActiveOperation::OnTokens(int64_t tokens) {
  shared_.on_tokens(tokens);
  const std::lock_guard lock(mutex_);
  v1::OperationProgress& progress = *record_.mutable_operation()->mutable_progress();
  progress.set_done_tokens(progress.done_tokens() + tokens);
  EstimateRest(progress);
}

void ActiveOperation::OnResumedTokens(int64_t tokens) {
  const std::lock_guard lock(mutex_);
  v1::OperationProgress& progress = *record_.mutable_operation()->mutable_progress();
  progress.set_done_tokens(progress.done_tokens() + tokens);
  progress.set_resumed_tokens(progress.resumed_tokens() + tokens);
  first_tokens_.reset();
}

void ActiveOperation::OnLastingProgress() {
  {
    const std::lock_guard lock(mutex_);
    postponements_ = 0;
    if (record_.attempts() <= 1) return;
    record_.set_attempts(1);  // the attempt that made the progress goes on
  }
  Save().IgnoreError();  // only counts attempts
}

absl::Status ActiveOperation::Save() {
  const std::lock_guard lock(save_mutex_);
  return end_saved_ ? absl::OkStatus() : shared_.save(record());
}

absl::StatusOr<bool> ActiveOperation::SaveEnd() {
  const std::lock_guard save_lock(save_mutex_);
  if (end_saved_) return false;
  OperationRecord ended;
  {
    const std::lock_guard lock(mutex_);
    *end_->mutable_request_ids() = record_.request_ids();
    *end_->mutable_request_digests() = record_.request_digests();
    ended = *end_;
  }
  HOMOLOG_RETURN_IF_ERROR(shared_.save(ended));
  end_saved_ = true;
  return true;
}

OperationRecord ActiveOperation::record() const {
  const std::lock_guard lock(mutex_);
  return record_;
}

v1::Operation ActiveOperation::operation() const {
  const std::lock_guard lock(mutex_);
  return record_.operation();
}

std::string ActiveOperation::client() const {
  const std::lock_guard lock(mutex_);
  return record_.operation().client();
}

absl::StatusOr<bool> ActiveOperation::AddRequest(const std::string& key,
                                                 const std::string& digest) {
  const std::lock_guard save_lock(save_mutex_);
  if (end_saved_) return false;
  OperationRecord grown = record();
  AddRequestTo(grown, key, digest);
  HOMOLOG_RETURN_IF_ERROR(shared_.save(grown));
  const std::lock_guard lock(mutex_);
  AddRequestTo(record_, key, digest);
  return true;
}

bool ActiveOperation::Begin() {
  const std::lock_guard lock(mutex_);
  if (end_) return false;
  paused_ = false;
  v1::Operation& operation = *record_.mutable_operation();
  operation.set_state(v1::OPERATION_STATE_RUNNING);
  first_tokens_.reset();
  if (begun_) {
    tokens_before_ = operation.progress().done_tokens();
  } else {
    *operation.mutable_start_time() = Now();
    operation.clear_progress();  // what a former process did is done again, or in the store
  }
  begun_ = true;
  record_.set_attempts(record_.attempts() + 1);
  return true;
}

void ActiveOperation::Pause() {
  const std::lock_guard lock(mutex_);
  paused_ = true;
  record_.set_attempts(0);
}

bool ActiveOperation::End(const absl::Status& status, bool only_if_waiting) {
  const std::lock_guard lock(mutex_);
  const bool waits = paused_ || record_.operation().state() == v1::OPERATION_STATE_QUEUED;
  if (end_ || (only_if_waiting && !waits)) return false;
  end_ = record_;
  v1::Operation& operation = *end_->mutable_operation();
  operation.set_state(status.ok()                 ? v1::OPERATION_STATE_SUCCEEDED
                      : absl::IsCancelled(status) ? v1::OPERATION_STATE_CANCELLED
                                                  : v1::OPERATION_STATE_FAILED);
  operation.mutable_progress()->clear_estimated_remaining();
  if (status.ok()) {
    operation.mutable_progress()->set_stage("done");
  } else {
    operation.mutable_error()->ParseFromString(SerializeError(status));
  }
  *operation.mutable_end_time() = Now();
  return true;
}

void ActiveOperation::OnWaitingForStore(const absl::Status& status) {
  OnStage(std::string("waiting for the store: ") + std::string(status.message()));
}

bool ActiveOperation::ending() const {
  const std::lock_guard lock(mutex_);
  return end_.has_value();
}

void ActiveOperation::Show() {
  const std::lock_guard lock(mutex_);
  record_ = *end_;
}

std::chrono::seconds ActiveOperation::NextPostponement() {
  constexpr int kMostDoublings = 9;  // some ten minutes
  const std::lock_guard lock(mutex_);
  return std::chrono::seconds(1 << std::min(postponements_++, kMostDoublings));
}

// By the rate since the first tokens: what came before them (loading) does not come again.
void ActiveOperation::EstimateRest(v1::OperationProgress& progress) {
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

}  // namespace homolog::operations
