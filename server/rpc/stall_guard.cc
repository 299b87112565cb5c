#include "server/rpc/stall_guard.h"

#include <grpcpp/alarm.h>

#include <algorithm>
#include <mutex>
#include <optional>

namespace homolog::rpc {
namespace {

using Clock = std::chrono::steady_clock;

// How many times within a timeout the clock is looked at.
constexpr int kLooks = 4;

}  // namespace

struct StallGuard::State {
  std::mutex mutex;
  grpc::CallbackServerContext* context = nullptr;  // null once stopped
  std::chrono::milliseconds timeout;
  std::optional<Clock::time_point> waiting_since;
  bool stalled = false;
  std::unique_ptr<grpc::Alarm> alarm;  // a new one each time: the old one may be running
};

StallGuard::StallGuard(grpc::CallbackServerContext* context, std::chrono::milliseconds timeout)
    : state_(std::make_shared<State>()) {
  state_->context = context;
  state_->timeout = timeout;
  Tick(state_);
}

StallGuard::~StallGuard() { Stop(); }

void StallGuard::Tick(const std::shared_ptr<State>& state) {
  const std::lock_guard lock(state->mutex);
  if (state->context == nullptr) return;
  if (state->waiting_since && Clock::now() - *state->waiting_since >= state->timeout) {
    state->stalled = true;
    state->context->TryCancel();
    return;
  }
  state->alarm = std::make_unique<grpc::Alarm>();
  // gRPC's deadlines are points of the system clock.
  const auto next = std::max(state->timeout / kLooks, std::chrono::milliseconds(1));
  state->alarm->Set(std::chrono::system_clock::now() + next, [state](bool) { Tick(state); });
}

void StallGuard::BeginWait() {
  const std::lock_guard lock(state_->mutex);
  state_->waiting_since = Clock::now();
}

void StallGuard::EndWait() {
  const std::lock_guard lock(state_->mutex);
  state_->waiting_since.reset();
}

bool StallGuard::stalled() const {
  const std::lock_guard lock(state_->mutex);
  return state_->stalled;
}

void StallGuard::Stop() {
  std::unique_ptr<grpc::Alarm> alarm;  // cancelled, and its callback called, outside the lock
  {
    const std::lock_guard lock(state_->mutex);
    state_->context = nullptr;
    alarm = std::move(state_->alarm);
  }
}

}  // namespace homolog::rpc
