// What the system says of this process.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_APP_PROCESS_STATS_H_
#define HOMOLOG_SERVER_APP_PROCESS_STATS_H_

#include "server/metrics/metrics.h"

namespace homolog::app {

// From /proc and getrusage; what cannot be read is 0. The device's fields stay 0.
metrics::ResourceCounts ReadProcessStats();

}  // namespace homolog::app

#endif  // HOMOLOG_SERVER_APP_PROCESS_STATS_H_
