// What the store says of itself, as metrics.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_APP_STORE_METRICS_H_
#define HOMOLOG_SERVER_APP_STORE_METRICS_H_

#include "server/metrics/metrics.h"
#include "server/store/store.h"

namespace homolog::app {

void SetStoreMetrics(const store::Store& store, metrics::Metrics& metrics);

}  // namespace homolog::app

#endif  // HOMOLOG_SERVER_APP_STORE_METRICS_H_
