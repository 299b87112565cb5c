// QueryUniversalNeurons over a stored correlation.
//
// Thread-safety: pure functions; the store is thread-safe.
#ifndef HOMOLOG_SERVER_RESULTS_NEURON_QUERY_H_
#define HOMOLOG_SERVER_RESULTS_NEURON_QUERY_H_

#include "absl/status/statusor.h"
#include "common/limits.h"
#include "homolog/v1/analysis_service.pb.h"
#include "server/store/store.h"

namespace homolog::results {

// As analysis_service.proto says, errors included.
absl::StatusOr<v1::QueryUniversalNeuronsResponse> QueryNeurons(
    const store::Store& store, const v1::QueryUniversalNeuronsRequest& request,
    const Limits& limits = {});

}  // namespace homolog::results

#endif  // HOMOLOG_SERVER_RESULTS_NEURON_QUERY_H_
