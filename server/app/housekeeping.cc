#include "server/app/housekeeping.h"

#include <algorithm>
#include <utility>

namespace homolog::app {

Housekeeping::Housekeeping(std::vector<Chore> chores)
    : chores_(std::move(chores)), thread_([this] { Run(); }) {}

Housekeeping::~Housekeeping() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Housekeeping::Run() {
  std::vector<Clock::time_point> due;
  for (const Chore& chore : chores_) due.push_back(Clock::now() + chore.interval);
  std::unique_lock lock(mutex_);
  while (!due.empty()) {
    const auto next = std::min_element(due.begin(), due.end());
    if (wake_.wait_until(lock, *next, [this] { return stopping_; })) return;
    const Chore& chore = chores_[next - due.begin()];
    lock.unlock();
    chore.work();
    lock.lock();
    *next = Clock::now() + chore.interval;
  }
}

}  // namespace homolog::app
