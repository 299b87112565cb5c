// The wish that the process ends, from whoever has it first: a signal, or a device that is lost.
//
// Thread-safety: all methods may be called from any thread.
#ifndef HOMOLOG_SERVER_APP_STOP_REQUEST_H_
#define HOMOLOG_SERVER_APP_STOP_REQUEST_H_

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>

namespace homolog::app {

class StopRequest {
 public:
  // `on_request` is told the exit code once, on the thread of the first Make, before Wait returns.
  explicit StopRequest(std::function<void(int exit_code)> on_request = {});

  // The process should end, with `exit_code`. Only the first one counts.
  void Make(int exit_code);
  bool made() const;
  // Waits for the first Make; returns its exit code.
  int Wait();

 private:
  const std::function<void(int)> on_request_;
  std::once_flag once_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::optional<int> exit_code_;  // nothing before Make
};

}  // namespace homolog::app

#endif  // HOMOLOG_SERVER_APP_STOP_REQUEST_H_
