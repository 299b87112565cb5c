// The order_by of QueryUniversalNeurons (AIP-132).
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_RESULTS_NEURON_ORDER_H_
#define HOMOLOG_SERVER_RESULTS_NEURON_ORDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/analysis/universality.h"

namespace homolog::results {

// A neuron on its way through a query.
struct QueriedNeuron {
  int64_t layer = 0;
  int64_t neuron = 0;
  analysis::NeuronExcess excess;
};

// Sorts by `order_by`: fields with an optional "desc", separated by commas; empty: "excess_corr
// desc". Ties by layer, then neuron. INVALID_ARGUMENT (reason INVALID_ORDER_BY).
absl::Status SortNeurons(const std::string& order_by, std::vector<QueriedNeuron>& neurons);

}  // namespace homolog::results

#endif  // HOMOLOG_SERVER_RESULTS_NEURON_ORDER_H_
