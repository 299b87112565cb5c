#include "server/app/drain.h"

#include <glog/logging.h>
#include <unistd.h>

#include <thread>

namespace homolog::app {

void ExitAfter(std::chrono::seconds timeout, int exit_code) {
  std::thread([timeout, exit_code] {
    std::this_thread::sleep_for(timeout);
    LOG(ERROR) << "not drained within --drain-timeout of " << timeout.count()
               << " s: ends now, with exit code " << exit_code
               << "; running operations go on from their last snapshots";
    _exit(exit_code);
  }).detach();
}

std::chrono::milliseconds TimeForCalls(std::chrono::seconds timeout) {
  return std::chrono::milliseconds(timeout) * 3 / 4;
}

}  // namespace homolog::app
