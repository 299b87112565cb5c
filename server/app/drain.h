// The longest that a shutdown may take.
//
// Thread-safety: call it once.
#ifndef HOMOLOG_SERVER_APP_DRAIN_H_
#define HOMOLOG_SERVER_APP_DRAIN_H_

#include <chrono>

namespace homolog::app {

// Exit code of a process that ExitAfter ended.
inline constexpr int kDrainTimedOut = 3;

// Ends the process after `timeout`, where it has not ended by itself: what is acknowledged is on
// the disk, and running work goes on from its last snapshot.
void ExitAfter(std::chrono::seconds timeout);

}  // namespace homolog::app

#endif  // HOMOLOG_SERVER_APP_DRAIN_H_
