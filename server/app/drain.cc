#include "server/app/drain.h"

#include <glog/logging.h>
#include <unistd.h>

#include <thread>

namespace homolog::app {
namespace {

constexpr std::chrono::seconds kTimeToLog{1};

}  // namespace

void ExitAfter(std::chrono::seconds timeout, int exit_code) {
  std::thread([timeout, exit_code] {
    std::this_thread::sleep_for(timeout);
    // On another thread: whoever reads the log may be what is stuck.
    std::thread([timeout, exit_code] {
      LOG(ERROR) << "not drained within --drain-timeout of " << timeout.count()
                 << " s: ends now, with exit code " << exit_code
                 << "; running operations go on from their last snapshots";
      _exit(exit_code);
    }).detach();
    std::this_thread::sleep_for(kTimeToLog);
    _exit(exit_code);
  }).detach();
}

std::chrono::milliseconds TimeForCalls(std::chrono::seconds timeout) {
  return std::chrono::milliseconds(timeout) * 3 / 4;
}

}  // namespace homolog::app
