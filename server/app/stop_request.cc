#include "server/app/stop_request.h"

#include <utility>

namespace homolog::app {

StopRequest::StopRequest(std::function<void(int)> on_request)
    : on_request_(std::move(on_request)) {}

void StopRequest::Make(int exit_code) {
  std::call_once(once_, [&] {
    if (on_request_) on_request_(exit_code);
    const std::lock_guard lock(mutex_);
    exit_code_ = exit_code;
    wake_.notify_all();
  });
}

bool StopRequest::made() const {
  const std::lock_guard lock(mutex_);
  return exit_code_.has_value();
}

int StopRequest::Wait() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return exit_code_.has_value(); });
  return *exit_code_;
}

}  // namespace homolog::app
