// Families: neurons of several models that are each other's best partner.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_ANALYSIS_FAMILIES_H_
#define HOMOLOG_SERVER_ANALYSIS_FAMILIES_H_

#include <cstdint>
#include <vector>

#include "server/analysis/correlation_result.h"

namespace homolog::analysis {

// A model by its place, and a flat index in it.
struct FamilyNeuron {
  int32_t model = 0;
  int32_t neuron = 0;
  auto operator<=>(const FamilyNeuron&) const = default;
};

struct Family {
  std::vector<FamilyNeuron> members;  // ascending
  double mean_excess = 0;             // over both directions of all kin pairs
};

// Two neurons of different models are kin where each is the other's best partner (max_sim) and the
// excess correlation (max_corr - baseline) of both directions is > threshold; a family is a
// connected component of kinship. correlations[i]: model i as the reference against all others in
// order. The largest family first; of equal size the larger mean excess, then the lower first
// member.
std::vector<Family> FindFamilies(const std::vector<std::vector<PairCorrelations>>& correlations,
                                 double threshold);

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_FAMILIES_H_
