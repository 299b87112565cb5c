#include "server/app/drain.h"

#include <glog/logging.h>
#include <unistd.h>

#include <thread>

namespace homolog::app {

void ExitAfter(std::chrono::seconds timeout) {
  std::thread([timeout] {
    std::this_thread::sleep_for(timeout);
    LOG(ERROR) << "not drained within --drain-timeout of " << timeout.count()
               << " s: ends now; running operations go on from their last snapshots";
    _exit(kDrainTimedOut);
  }).detach();
}

}  // namespace homolog::app
