// What a correlation says of a reference model's neurons: alone, and against each partner.
#ifndef HOMOLOG_SERVER_ANALYSIS_CORRELATION_RESULT_H_
#define HOMOLOG_SERVER_ANALYSIS_CORRELATION_RESULT_H_

#include <cstdint>
#include <vector>

namespace homolog::analysis {

// Partners kept at either end of a neuron's list.
inline constexpr int64_t kKeptPartners = 50;
// Bins of equal width on [-1, 1]; 1 belongs to the last.
inline constexpr int64_t kCorrelationBins = 100;

// How the correlations rho(k, .) of a reference neuron k with all neurons of one partner are
// distributed. One entry, or one row, per reference neuron; all empty for same_index pairing, where
// there is one correlation per neuron.
struct CorrelationDistribution {
  int64_t kept = 0;  // min(kKeptPartners, neurons of the partner)
  // [neuron, kept]: the largest correlations descending, and the smallest ascending; flat indices
  // in the partner, ties to the lowest.
  std::vector<float> top_corr, bottom_corr;
  std::vector<int32_t> top_sim, bottom_sim;
  std::vector<uint32_t> histogram;  // [neuron, kCorrelationBins], counts
  // Over all neurons of the partner, dead ones (correlation 0) included: mean, variance with 1 / n,
  // third and fourth standardised moment (0 and 3 for a normal distribution); both 0 where the
  // variance is 0.
  std::vector<float> mean, variance, skew, kurtosis;
};

// Correlations of a random sample of pairs of neurons beside the same in float64, from the same
// activations.
struct MeasuredError {
  int64_t pairs = 0;
  double max_abs = 0, mean_abs = 0;
};

// Every reference neuron (flat index layer * d_mlp + neuron) against one partner. All vectors have
// one entry per reference neuron.
struct PairCorrelations {
  std::vector<float> max_corr;   // signed maximum, -1 to 1
  std::vector<int32_t> max_sim;  // flat index of the partner neuron; ties: the lowest
  std::vector<float> min_corr;
  std::vector<int32_t> min_sim;
  std::vector<float> baseline;      // mean over rotations
  std::vector<float> baseline_std;  // n - 1 in the denominator; 0 for one rotation
  int64_t partner_dead = 0;         // dead neurons of the partner
  CorrelationDistribution distribution;
  // [reference layer, partner layer]: linear CKA (Kornblith et al. 2019, arXiv:1905.00414, equation
  // 3 of the linear kernel), 0 to 1; 0 where a layer is dead. Empty for same_index pairing.
  std::vector<float> layer_similarity;
  MeasuredError error;
};

// Positions kept per neuron.
inline constexpr int64_t kKeptPositions = 20;
// Bins of a neuron's activations; the outermost two take what lies beyond.
inline constexpr int64_t kActivationBins = 80;

// A model's neurons over the counted positions. One entry, or one row, per neuron.
struct NeuronStatistics {
  std::vector<float> mean, variance;  // 1 / n; at most the largest float32
  // Third and fourth standardised moment, 0 where the variance is 0.
  std::vector<float> skew, kurtosis;
  std::vector<float> active_share;  // of positions whose activation is > 0
  std::vector<float> minimum, maximum;
  // [neuron, kActivationBins] counts; bin b of neuron k begins at histogram_low[k] + b *
  // histogram_width[k].
  std::vector<uint32_t> histogram;
  std::vector<float> histogram_low, histogram_width;
  // [neuron, kept]: the largest activations, descending, and where they are (position in the token
  // stream: sequence * sequence_length + place); ties to the earliest. kept = min(kKeptPositions,
  // counted positions).
  int64_t kept = 0;
  std::vector<float> top_activation;
  std::vector<int64_t> top_position;
};

// One reference model against its partners.
struct CorrelationResult {
  int64_t counted_positions = 0;
  int64_t excluded_positions = 0;
  std::vector<uint8_t> dead;  // 1 where the reference neuron never varied
  NeuronStatistics statistics;
  std::vector<PairCorrelations> partners;
};

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_CORRELATION_RESULT_H_
