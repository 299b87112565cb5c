#include "server/rpc/operation_followers.h"

#include <utility>

#include "common/error.h"

namespace homolog::rpc {
namespace {

constexpr std::chrono::milliseconds kWaitInterval{20};
constexpr std::chrono::milliseconds kWatchInterval{100};  // ten messages a second at most

// gRPC's deadlines are points of the system clock.
std::chrono::system_clock::time_point In(std::chrono::milliseconds interval) {
  return std::chrono::system_clock::now() + interval;
}

absl::Status ClientGone() { return absl::CancelledError("the client went away"); }

// What ends every follower of an operation that has not ended: nothing will change any more.
absl::Status ShuttingDown() {
  return MakeError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN",
                   "the server is shutting down; the operation goes on when it is back");
}

}  // namespace

OperationWaiter::OperationWaiter(operations::OperationManager* manager, std::string name,
                                 std::chrono::nanoseconds timeout, Call call,
                                 v1::Operation* response)
    : manager_(manager),
      name_(std::move(name)),
      deadline_(std::chrono::steady_clock::now() + timeout),
      call_(std::move(call)),
      response_(response) {
  Look();
}

void OperationWaiter::Look() {
  if (cancelled_) return Finish(call_.End(ClientGone()));
  absl::StatusOr<v1::Operation> operation = manager_->Get(name_);
  if (!operation.ok()) return Finish(call_.End(operation.status()));
  if (operations::HasEnded(*operation) || std::chrono::steady_clock::now() >= deadline_) {
    *response_ = *std::move(operation);
    return Finish(call_.End(absl::OkStatus()));
  }
  if (manager_->shutting_down()) return Finish(call_.End(ShuttingDown()));
  LookLater();
}

void OperationWaiter::LookLater() {
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(In(kWaitInterval), [this](bool) { Look(); });
}

OperationWatcher::OperationWatcher(operations::OperationManager* manager, std::string name,
                                   Call call)
    : manager_(manager), name_(std::move(name)), call_(std::move(call)) {
  Look();
}

void OperationWatcher::Look() {
  if (cancelled_) return Finish(call_.End(ClientGone()));
  absl::StatusOr<v1::Operation> operation = manager_->Get(name_);
  if (!operation.ok()) return Finish(call_.End(operation.status()));
  std::string bytes = operation->SerializeAsString();
  if (bytes == sent_bytes_) {
    return manager_->shutting_down() ? Finish(call_.End(ShuttingDown())) : LookLater();
  }
  sent_ = *std::move(operation);
  sent_bytes_ = std::move(bytes);
  StartWrite(&sent_);
}

void OperationWatcher::LookLater() {
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(In(kWatchInterval), [this](bool) { Look(); });
}

void OperationWatcher::OnWriteDone(bool ok) {
  if (!ok) return Finish(call_.End(ClientGone()));
  if (operations::HasEnded(sent_)) return Finish(call_.End(absl::OkStatus()));
  LookLater();
}

}  // namespace homolog::rpc
