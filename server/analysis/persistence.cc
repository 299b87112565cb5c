#include "server/analysis/persistence.h"

namespace homolog::analysis {

std::vector<int32_t> KeptCounts(const std::vector<std::vector<bool>>& universal, int64_t layers) {
  const size_t steps = universal.size(), of_layers = static_cast<size_t>(layers);
  std::vector<int32_t> counts(steps * steps * of_layers, 0);
  for (size_t from = 0; from < steps; ++from) {
    const size_t per_layer = universal[from].size() / of_layers;
    for (size_t neuron = 0; neuron < universal[from].size(); ++neuron) {
      if (!universal[from][neuron]) continue;
      for (size_t to = 0; to < steps; ++to) {
        if (universal[to][neuron]) ++counts[(from * steps + to) * of_layers + neuron / per_layer];
      }
    }
  }
  return counts;
}

LineageCounts CountLineages(const PairCorrelations& forward, const std::vector<bool>& before,
                            const std::vector<bool>& after) {
  LineageCounts counts;
  for (size_t neuron = 0; neuron < before.size(); ++neuron) {
    const bool goes_on = forward.max_corr[neuron] > 0;
    const bool is_after = goes_on && after[static_cast<size_t>(forward.max_sim[neuron])];
    if (before[neuron]) {
      ++(is_after ? counts.stayed : counts.ceased);
    } else {
      ++(is_after ? counts.became : counts.never);
    }
  }
  return counts;
}

}  // namespace homolog::analysis
