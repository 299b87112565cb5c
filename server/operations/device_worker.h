// The one thread that owns all libtorch work of a device.
//
// Thread-safety: all methods may be called from any thread but the worker's own, unless they say
// otherwise (Post..., Drop: from any).
#ifndef HOMOLOG_SERVER_OPERATIONS_DEVICE_WORKER_H_
#define HOMOLOG_SERVER_OPERATIONS_DEVICE_WORKER_H_

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "server/operations/fair_queue.h"

namespace homolog::operations {

class DeviceWorker {
 public:
  using Task = std::function<void()>;  // does not throw

  // At most `queue_limit` tasks wait. `on_start` runs first on the worker's thread: OpenMP's number
  // of threads, for one, is a property of the thread that sets it.
  DeviceWorker(size_t queue_limit, Task on_start);
  ~DeviceWorker();  // Stop()

  // Queues a task of `client`; those of one client run in the order they came, clients take turns.
  // RESOURCE_EXHAUSTED (reason QUEUE_FULL, with a retry delay) where the queue is full, UNAVAILABLE
  // (reason SHUTTING_DOWN) after Stop.
  // `name`: to drop it by; empty where nobody will.
  absl::Status Post(const std::string& client, Task task, const std::string& name = "");
  // The same beyond the limit, for work that was accepted before: never QUEUE_FULL.
  absl::Status PostAccepted(const std::string& client, Task task, const std::string& name = "");
  // Takes tasks of this name out of the queue, where they wait.
  void Drop(const std::string& client, const std::string& name);
  // The same as Post for a task of about a batch: these and the others take turns, and they also
  // run in the midst of a long one that calls RunShort.
  absl::Status PostShort(const std::string& client, Task task);

  // For a long task, on the worker's thread, between its batches: runs one waiting short task.
  void RunShort();
  // Whether a client other than `client` has a task that waits.
  bool OthersWait(const std::string& client) const;

  // Tasks that wait, without the one that runs.
  size_t queue_depth() const;
  // Lets the running task finish, drops those that wait and joins the thread.
  void Stop();

 private:
  struct NamedTask {
    std::string name;
    Task run;
  };
  using Queue = FairQueue<NamedTask>;
  absl::Status PostTo(Queue& queue, size_t limit, const std::string& client, NamedTask task);
  void Run(const Task& on_start);
  Task NextLocked();

  const size_t queue_limit_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  Queue queue_, short_queue_;
  bool stopping_ = false, ran_short_ = false;
  std::once_flag joined_;
  std::thread thread_;
};

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_DEVICE_WORKER_H_
