#include "server/analysis/universality.h"

namespace homolog::analysis {
namespace {

NeuronExcess OfPartner(const PairCorrelations& pair, int32_t partner, int64_t neuron) {
  const double max_corr = pair.max_corr[neuron], baseline = pair.baseline[neuron];
  return {max_corr, pair.min_corr[neuron], baseline, max_corr - baseline, partner};
}

NeuronExcess MeanOfPartners(const std::vector<PairCorrelations>& pairs, int64_t neuron) {
  NeuronExcess mean;
  const auto count = static_cast<double>(pairs.size());
  // Sums of float32 in float64 are exact, so that the threshold stays strict.
  for (size_t i = 0; i < pairs.size(); ++i) {
    const NeuronExcess one = OfPartner(pairs[i], static_cast<int32_t>(i), neuron);
    mean.max_corr += one.max_corr;
    mean.min_corr += one.min_corr;
    mean.baseline += one.baseline;
    if (one.max_corr > pairs[mean.partner].max_corr[neuron]) mean.partner = one.partner;
  }
  mean.max_corr /= count;
  mean.min_corr /= count;
  mean.baseline /= count;
  mean.excess = mean.max_corr - mean.baseline;
  return mean;
}

}  // namespace

NeuronExcess CombinePartners(const std::vector<PairCorrelations>& pairs, UniversalityRule rule,
                             int64_t neuron) {
  if (rule == UniversalityRule::kMean) return MeanOfPartners(pairs, neuron);
  NeuronExcess chosen = OfPartner(pairs[0], 0, neuron);
  for (size_t i = 1; i < pairs.size(); ++i) {
    const NeuronExcess one = OfPartner(pairs[i], static_cast<int32_t>(i), neuron);
    const bool better =
        rule == UniversalityRule::kAll ? one.excess < chosen.excess : one.excess > chosen.excess;
    if (better) chosen = one;
  }
  return chosen;
}

std::vector<bool> UniversalNeurons(const std::vector<PairCorrelations>& pairs,
                                   const std::vector<uint8_t>& dead, UniversalityRule rule,
                                   double threshold) {
  std::vector<bool> universal(dead.size());
  for (size_t i = 0; i < dead.size(); ++i) {
    universal[i] =
        dead[i] == 0 && CombinePartners(pairs, rule, static_cast<int64_t>(i)).excess > threshold;
  }
  return universal;
}

std::vector<int64_t> CountByLayer(const std::vector<bool>& universal, int64_t layers) {
  std::vector<int64_t> counts(layers, 0);
  const size_t per_layer = universal.size() / static_cast<size_t>(layers);
  for (size_t i = 0; i < universal.size(); ++i) counts[i / per_layer] += universal[i] ? 1 : 0;
  return counts;
}

}  // namespace homolog::analysis
