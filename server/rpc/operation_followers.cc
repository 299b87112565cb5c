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
                                 StreamSlots::Slot slot, v1::Operation* response)
    : manager_(manager),
      name_(std::move(name)),
      deadline_(std::chrono::steady_clock::now() + timeout),
      call_(std::move(call)),
      slot_(std::move(slot)),
      response_(response) {
  Look();
}

void OperationWaiter::Look() {
  if (cancelled_) return End(ClientGone());
  absl::StatusOr<v1::Operation> operation = manager_->Get(name_);
  if (!operation.ok()) return End(operation.status());
  if (operations::HasEnded(*operation) || std::chrono::steady_clock::now() >= deadline_) {
    *response_ = *std::move(operation);
    return End(absl::OkStatus());
  }
  if (manager_->shutting_down()) return End(ShuttingDown());
  LookLater();
}

void OperationWaiter::End(const absl::Status& status) {
  slot_.Release();  // before the client hears of it, and may ask for another
  Finish(call_.End(status));
}

void OperationWaiter::LookLater() {
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(In(kWaitInterval), [this](bool) { Look(); });
}

OperationWatcher::OperationWatcher(operations::OperationManager* manager, std::string name,
                                   Call call, StreamSlots::Slot slot)
    : manager_(manager), name_(std::move(name)), call_(std::move(call)), slot_(std::move(slot)) {
  Look();
}

void OperationWatcher::Look() {
  if (cancelled_) return End(ClientGone());
  absl::StatusOr<v1::Operation> operation = manager_->Get(name_);
  if (!operation.ok()) return End(operation.status());
  std::string bytes = operation->SerializeAsString();
  if (bytes == sent_bytes_) {
    return manager_->shutting_down() ? End(ShuttingDown()) : LookLater();
  }
  sent_ = *std::move(operation);
  sent_bytes_ = std::move(bytes);
  StartWrite(&sent_);
}

void OperationWatcher::End(const absl::Status& status) {
  slot_.Release();  // before the client hears of it, and may ask for another
  Finish(call_.End(status));
}

void OperationWatcher::LookLater() {
  alarm_ = std::make_unique<grpc::Alarm>();
  alarm_->Set(In(kWatchInterval), [this](bool) { Look(); });
}

void OperationWatcher::OnWriteDone(bool ok) {
  if (!ok) return End(ClientGone());
  if (operations::HasEnded(sent_)) return End(absl::OkStatus());
  LookLater();
}

}  // namespace homolog::rpc
