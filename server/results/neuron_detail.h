// GetNeuron over a stored correlation.
//
// Thread-safety: pure functions; the store is thread-safe.
#ifndef HOMOLOG_SERVER_RESULTS_NEURON_DETAIL_H_
#define HOMOLOG_SERVER_RESULTS_NEURON_DETAIL_H_

#include "absl/status/statusor.h"
#include "homolog/v1/analysis_service.pb.h"
#include "homolog/v1/correlation.pb.h"
#include "homolog/v1/neuron.pb.h"
#include "server/store/store.h"

namespace homolog::results {

struct NeuronDetail {
  v1::Correlation manifest;
  // What the result itself knows: exciting positions have `position` and `activation` alone.
  v1::NeuronDetail detail;
};

// As analysis_service.proto says, errors included, but for context_tokens, which is not looked at.
absl::StatusOr<NeuronDetail> GetNeuron(const store::Store& store,
                                       const v1::GetNeuronRequest& request);

}  // namespace homolog::results

#endif  // HOMOLOG_SERVER_RESULTS_NEURON_DETAIL_H_
