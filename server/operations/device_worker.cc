#include "server/operations/device_worker.h"

#include <chrono>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"

namespace homolog::operations {
namespace {

// Tasks take seconds to hours.
constexpr std::chrono::seconds kRetryDelay{10};

}  // namespace

DeviceWorker::DeviceWorker(size_t queue_limit, Task on_start)
    : queue_limit_(queue_limit),
      thread_([this, on_start = std::move(on_start)] { Run(on_start); }) {}

DeviceWorker::~DeviceWorker() { Stop(); }

absl::Status DeviceWorker::Post(const std::string& client, Task task, const std::string& name) {
  return PostTo(queue_, queue_limit_, client, {name, std::move(task)});
}

absl::Status DeviceWorker::PostAccepted(const std::string& client, Task task,
                                        const std::string& name) {
  return PostTo(queue_, std::numeric_limits<size_t>::max(), client, {name, std::move(task)});
}

absl::Status DeviceWorker::PostShort(const std::string& client, Task task) {
  return PostTo(short_queue_, queue_limit_, client, {"", std::move(task)});
}

void DeviceWorker::Drop(const std::string& client, const std::string& name) {
  std::vector<NamedTask> dropped;  // destroyed outside the lock
  const std::lock_guard lock(mutex_);
  queue_.Remove(
      client, [&](const NamedTask& task) { return task.name == name; }, dropped);
}

absl::Status DeviceWorker::PostTo(Queue& queue, size_t limit, const std::string& client,
                                  NamedTask task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      return MakeError(absl::StatusCode::kUnavailable, "SHUTTING_DOWN",
                       "the server is shutting down; ask again once it is back");
    }
    if (queue.size() >= limit) {
      return WithRetryDelay(
          ResourceExhausted("QUEUE_FULL",
                            absl::StrCat("the device's queue holds ", queue.size(), " of ",
                                         queue_limit_, " tasks; ask again later"),
                            {{"queue_limit", absl::StrCat(queue_limit_)}}),
          kRetryDelay);
    }
    queue.Push(client, std::move(task));
  }
  wake_.notify_one();
  return absl::OkStatus();
}

void DeviceWorker::RunShort() {
  Task task;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || short_queue_.empty()) return;
    task = short_queue_.Pop().second.run;
  }
  task();
}

bool DeviceWorker::OthersWait(const std::string& client) const {
  const std::lock_guard lock(mutex_);
  return queue_.HasOther(client);
}

size_t DeviceWorker::queue_depth() const {
  const std::lock_guard lock(mutex_);
  return queue_.size() + short_queue_.size();
}

void DeviceWorker::Stop() {
  Queue dropped, dropped_short;  // destroyed outside the lock
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    std::swap(dropped, queue_);
    std::swap(dropped_short, short_queue_);
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
      wake_.wait(lock, [this] { return stopping_ || !queue_.empty() || !short_queue_.empty(); });
      if (stopping_) return;
      task = NextLocked();
    }
    task();
  }
}

// Of many short tasks and a long one, one each in turn.
DeviceWorker::Task DeviceWorker::NextLocked() {
  ran_short_ = !short_queue_.empty() && (queue_.empty() || !ran_short_);
  return (ran_short_ ? short_queue_ : queue_).Pop().second.run;
}

}  // namespace homolog::operations
