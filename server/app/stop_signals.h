// SIGINT and SIGTERM, heard by a thread of its own, whatever the others are busy with.
//
// Thread-safety: made and destroyed by one thread.
#ifndef HOMOLOG_SERVER_APP_STOP_SIGNALS_H_
#define HOMOLOG_SERVER_APP_STOP_SIGNALS_H_

#include <atomic>
#include <functional>
#include <thread>

namespace homolog::app {

// Blocks both in this thread and in those that it makes. Call it before any other thread is made:
// one that did not inherit this would be ended by them, and the process with it.
void BlockStopSignals();

class StopSignals {
 public:
  // After BlockStopSignals. `on_signal` is told the first of them, on the thread that waits, also
  // where it came since they were blocked; the others are ignored.
  explicit StopSignals(std::function<void(int signal)> on_signal);
  ~StopSignals();  // waits for on_signal

 private:
  void Run();

  const std::function<void(int)> on_signal_;
  std::atomic<bool> closing_ = false;
  std::thread thread_;
};

}  // namespace homolog::app

#endif  // HOMOLOG_SERVER_APP_STOP_SIGNALS_H_
