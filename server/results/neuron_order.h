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

// Puts in order what stands at places [begin, end) once `neurons` are sorted by `order_by`, before
// it what is before it and after it the rest, in any order: one page of many costs no whole sort.
// order_by: fields with an optional "desc", separated by commas; empty: "excess_corr desc". Ties by
// layer, then neuron. 0 <= begin <= end <= neurons.size(). INVALID_ARGUMENT (reason
// INVALID_ORDER_BY).
absl::Status OrderNeurons(const std::string& order_by, int64_t begin, int64_t end,
                          std::vector<QueriedNeuron>& neurons);

}  // namespace homolog::results

#endif  // HOMOLOG_SERVER_RESULTS_NEURON_ORDER_H_
