// Universal neurons over training steps.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_ANALYSIS_PERSISTENCE_H_
#define HOMOLOG_SERVER_ANALYSIS_PERSISTENCE_H_

#include <cstdint>
#include <vector>

#include "server/analysis/correlation_result.h"

namespace homolog::analysis {

// How many neurons are universal at both of two steps: [step t1, step t2, layer] row by row.
// Persistence from t1 to t2 is kept(t1, t2) / kept(t1, t1). universal: by step, for every neuron of
// `layers` layers of equal size.
std::vector<int32_t> KeptCounts(const std::vector<std::vector<bool>>& universal, int64_t layers);

// What became of a model's neurons from one step to the next.
struct LineageCounts {
  int64_t became = 0;  // not universal before, but after
  int64_t stayed = 0;
  int64_t ceased = 0;
  int64_t never = 0;  // neither
};

// Follows every neuron to its best partner at the next step. forward: the model at the first step
// against itself at the next; a neuron whose largest correlation is not positive (a dead one) has
// no successor and is not universal after.
LineageCounts CountLineages(const PairCorrelations& forward, const std::vector<bool>& before,
                            const std::vector<bool>& after);

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_PERSISTENCE_H_
