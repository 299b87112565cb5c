// The one thread that owns all libtorch work of a device.
//
// Thread-safety: all methods may be called from any thread but the worker's own (Post: from any).
#ifndef HOMOLOG_SERVER_OPERATIONS_DEVICE_WORKER_H_
#define HOMOLOG_SERVER_OPERATIONS_DEVICE_WORKER_H_

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "absl/status/status.h"

namespace homolog::operations {

class DeviceWorker {
 public:
  using Task = std::function<void()>;  // does not throw

  // At most `queue_limit` tasks wait. `on_start` runs first on the worker's thread: OpenMP's number
  // of threads, for one, is a property of the thread that sets it.
  DeviceWorker(size_t queue_limit, Task on_start);
  ~DeviceWorker();  // Stop()

  // Queues a task; tasks run one after another in the order they came. RESOURCE_EXHAUSTED (reason
  // QUEUE_FULL) where the queue is full, UNAVAILABLE (reason SHUTTING_DOWN) after Stop.
  absl::Status Post(Task task);
  // The same beyond the limit, for work that was accepted before: never QUEUE_FULL.
  absl::Status PostAccepted(Task task);
  // Tasks that wait, without the one that runs.
  size_t queue_depth() const;
  // Lets the running task finish, drops those that wait and joins the thread.
  void Stop();

 private:
  absl::Status PostWithin(size_t limit, Task task);
  void Run(const Task& on_start);

  const size_t queue_limit_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> queue_;
  bool stopping_ = false;
  std::once_flag joined_;
  std::thread thread_;
};

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_DEVICE_WORKER_H_
