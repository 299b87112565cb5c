// Threads that run the short work of handlers, so that gRPC's own threads never block.
//
// Thread-safety: all methods may be called from any thread.
#ifndef HOMOLOG_SERVER_RPC_REQUEST_POOL_H_
#define HOMOLOG_SERVER_RPC_REQUEST_POOL_H_

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace homolog::rpc {

class RequestPool {
 public:
  using Task = std::function<void()>;

  RequestPool(size_t threads, size_t queue_limit);
  ~RequestPool();  // runs what is queued, then joins

  // Queues a task; false, and the task is not run, where the queue is full.
  [[nodiscard]] bool Post(Task task);

 private:
  void Run();

  const size_t queue_limit_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace homolog::rpc

#endif  // HOMOLOG_SERVER_RPC_REQUEST_POOL_H_
