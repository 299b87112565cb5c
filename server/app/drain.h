// The longest that a shutdown may take, and the exit codes of one that did not go well.
//
// Thread-safety: pure functions, but for ExitAfter: call it once.
#ifndef HOMOLOG_SERVER_APP_DRAIN_H_
#define HOMOLOG_SERVER_APP_DRAIN_H_

#include <chrono>

namespace homolog::app {

// Exit codes of homologd, beside 0, 1 (it could not start) and 2 (bad usage).
inline constexpr int kDrainTimedOut = 3;  // it was told to end, and did not within --drain-timeout
inline constexpr int kDeviceLost = 4;     // the device cannot be used until the process starts anew

// Ends the process after `timeout` with `exit_code`, where it has not ended by itself: what is
// acknowledged is on the disk, and running work goes on from its last snapshot.
void ExitAfter(std::chrono::seconds timeout, int exit_code);

// How long open calls may go on in a shutdown that may take `timeout`. The rest is for cancelling
// them and for closing the store.
std::chrono::milliseconds TimeForCalls(std::chrono::seconds timeout);

}  // namespace homolog::app

#endif  // HOMOLOG_SERVER_APP_DRAIN_H_
