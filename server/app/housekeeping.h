// What has to be looked after while the server runs: a thread that does it now and then.
//
// Thread-safety: made and destroyed by one thread.
#ifndef HOMOLOG_SERVER_APP_HOUSEKEEPING_H_
#define HOMOLOG_SERVER_APP_HOUSEKEEPING_H_

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace homolog::app {

class Housekeeping {
 public:
  struct Chore {
    std::chrono::milliseconds interval;
    std::function<void()> work;  // does not throw
  };
  // Does each chore once in its interval, the first time after one; chores do not overlap.
  explicit Housekeeping(std::vector<Chore> chores);
  ~Housekeeping();  // waits for the chore at hand

 private:
  using Clock = std::chrono::steady_clock;
  void Run();

  const std::vector<Chore> chores_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace homolog::app

#endif  // HOMOLOG_SERVER_APP_HOUSEKEEPING_H_
