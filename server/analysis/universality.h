// From correlations with several partners to universal neurons.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_ANALYSIS_UNIVERSALITY_H_
#define HOMOLOG_SERVER_ANALYSIS_UNIVERSALITY_H_

#include <cstdint>
#include <vector>

#include "server/analysis/correlation_result.h"

namespace homolog::analysis {

// How partners B are combined into one excess correlation per neuron:
// mean: mean of the maxima minus mean of the baselines (Gurnee et al. 2024); all: the smallest
// excess; any: the largest.
enum class UniversalityRule { kMean, kAll, kAny };

// One reference neuron by one rule.
struct NeuronExcess {
  double max_corr = 0;  // combined by the rule, like min_corr and baseline
  double min_corr = 0;
  double baseline = 0;
  double excess = 0;    // max_corr - baseline
  int32_t partner = 0;  // whose best neuron is shown: the partner that decides, or (mean) the one
                        // with the largest maximum; ties: the first
};

// Combines partner results of one neuron; `pairs` is not empty.
NeuronExcess CombinePartners(const std::vector<PairCorrelations>& pairs, UniversalityRule rule,
                             int64_t neuron);

// For every reference neuron: excess > threshold, strictly, and not dead.
std::vector<bool> UniversalNeurons(const std::vector<PairCorrelations>& pairs,
                                   const std::vector<uint8_t>& dead, UniversalityRule rule,
                                   double threshold);

// How many of `universal` are in each of `layers` layers of equal size.
std::vector<int64_t> CountByLayer(const std::vector<bool>& universal, int64_t layers);

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_UNIVERSALITY_H_
