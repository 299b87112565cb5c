#include "server/operations/device_worker.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"

namespace homolog::operations {

DeviceWorker::DeviceWorker(size_t queue_limit, Task on_start)
    : queue_limit_(queue_limit),
      thread_([this, on_start = std::move(on_start)] { Run(on_start); }) {}

DeviceWorker::~DeviceWorker() { Stop(); }

absl::Status DeviceWorker::Post(Task task) { return PostWithin(queue_limit_, std::move(task)); }

absl::Status DeviceWorker::PostAccepted(Task task) {
  return PostWithin(std::numeric_limits<size_t>::max(), std::move(task));
}

absl::Status DeviceWorker::PostWithin(size_t limit, Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      return MakeError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN",
                       "the server is shutting down; ask again once it is back");
    }
    if (queue_.size() >= limit) {
      return ResourceExhausted("QUEUE_FULL",
                               absl::StrCat("the device's queue holds ", queue_.size(), " of ",
                                            queue_limit_, " tasks; ask again later"),
                               {{"queue_limit", absl::StrCat(queue_limit_)}});
    }
    queue_.push_back(std::move(task));
  }
  wake_.notify_one();
  return absl::OkStatus();
}

size_t DeviceWorker::queue_depth() const {
  const std::lock_guard lock(mutex_);
  return queue_.size();
}

void DeviceWorker::Stop() {
  std::deque<Task> dropped;  // destroyed outside the lock
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(queue_);
  }
  wake_.notify_one();
  std::call_once(joined_, [this] { thread_.join(); });
}

void DeviceWorker::Run(const Task& on_start) {
  on_start();
  while (true) {
    Task task;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    task();
  }
}

}  // namespace homolog::operations
