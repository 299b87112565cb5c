// What a correlation says beyond extremes and baselines, computed the long way in float64.
#ifndef HOMOLOG_TESTS_UNIT_SERVER_ANALYSIS_DISTRIBUTION_ORACLE_H_
#define HOMOLOG_TESTS_UNIT_SERVER_ANALYSIS_DISTRIBUTION_ORACLE_H_

#include <cstdint>
#include <vector>

#include "server/analysis/correlation.h"

namespace homolog::analysis {

// One vector over the counted positions per neuron.
using Columns = std::vector<std::vector<double>>;

// rho: [reference neuron][partner neuron]; `tolerance` holds for every correlation.
void ExpectDistribution(const CorrelationDistribution& actual, const Columns& rho,
                        double tolerance);

// columns: activations of every neuron at the counted positions; positions: where those are in the
// token stream.
void ExpectStatistics(const NeuronStatistics& actual, const Columns& columns,
                      const std::vector<int64_t>& positions);

// Linear CKA of every layer of `reference` (of `d_mlp` neurons each) with every one of `partner`.
void ExpectLayerSimilarity(const std::vector<float>& actual, const Columns& reference,
                           int64_t reference_d_mlp, const Columns& partner, int64_t partner_d_mlp,
                           double tolerance);

}  // namespace homolog::analysis

#endif  // HOMOLOG_TESTS_UNIT_SERVER_ANALYSIS_DISTRIBUTION_ORACLE_H_
