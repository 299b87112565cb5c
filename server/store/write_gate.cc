#include "server/store/write_gate.h"

#include <utility>

namespace homolog::store {
namespace {

constexpr std::chrono::seconds kPause{1};

}  // namespace

void WriteGate::Close(std::string reason) {
  bool is_new = false;
  {
    const std::lock_guard lock(mutex_);
    is_new = !reason_.has_value();
    reason_ = reason;
    if (is_new) next_try_ = std::chrono::steady_clock::now() + kPause;
  }
  if (is_new && observer_) observer_(reason);
}

void WriteGate::Open() {
  {
    const std::lock_guard lock(mutex_);
    if (!reason_.has_value()) return;
    reason_.reset();
  }
  if (observer_) observer_(std::nullopt);
}

std::optional<std::string> WriteGate::reason() const {
  const std::lock_guard lock(mutex_);
  return reason_;
}

bool WriteGate::MayTry() {
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (!reason_.has_value() || now < next_try_) return false;
  next_try_ = now + kPause;
  return true;
}

}  // namespace homolog::store
