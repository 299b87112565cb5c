// Correlations between the neurons of any number of models, and their baseline: every model runs
// once over the tokens, every unordered pair of models is one product per block of tokens, and all
// else follows from the moments.
//
// Thread-safety: the functions may be called from several threads; all their work is on the calling
// one (and libtorch's intra-op threads).
#ifndef HOMOLOG_SERVER_ANALYSIS_CORRELATION_H_
#define HOMOLOG_SERVER_ANALYSIS_CORRELATION_H_

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/analysis/rotation.h"
#include "server/analysis/run_control.h"
#include "server/analysis/token_sequences.h"
#include "server/engine/model.h"

namespace homolog::analysis {

enum class Pairing { kBest, kSameIndex };

// How activations are multiplied; sums are float32 in every case.
enum class Precision {
  kFloat32,
  kBfloat16,  // activations rounded to 8 bits of mantissa
  kTf32,      // rounded to 11, on CUDA only
};

struct CorrelationOptions {
  engine::Site site = engine::Site::kMlpPost;
  Pairing pairing = Pairing::kBest;
  BaselineKind baseline = BaselineKind::kGaussian;
  int64_t rotations = 1;  // > 0
  uint64_t seed = 0;
  std::vector<int64_t> excluded_token_ids = {};  // sorted
  Precision precision = Precision::kFloat32;
  // Every model is the reference in turn; else the first alone.
  bool every_reference = false;
  // Device memory for activations and moments, without weights: where they need more, the tokens
  // are read in more passes.
  int64_t memory_bytes = std::numeric_limits<int64_t>::max();
  // Neurons of a partner that are multiplied with a layer at once, at least one layer: wide enough
  // for products at full speed.
  int64_t tile_columns = 8192;
  // Libtorch's operations only, as on other devices than the CPU.
  bool portable = false;
  // Of the models: what messages call them. Empty: their places.
  std::vector<std::string> model_names = {};
};

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

// What a computation took. On a device that works on its own, the moments' seconds hold what the
// host waited for.
struct CorrelationCost {
  int64_t tokens = 0;                  // that went through a model
  double forward_seconds = 0;          // forward passes
  double moments_seconds = 0;          // statistics and products
  double reduction_seconds = 0;        // from moments to results
  double moments_multiplications = 0;  // each with an addition
};

// One result per reference, in the order of the models.
struct CorrelationSet {
  std::vector<CorrelationResult> results;
  CorrelationCost cost;
};

// Correlates `models` (at least 2), as docs/definitions.md says. Each runs once over `tokens` per
// pass of the plan that control.OnPlan is told. A result's partners are the other models in their
// order. Where the device runs out of memory, it starts again with half the block. All models are
// on one device, have the same vocabulary and a context of at least the sequence length; with
// kSameIndex, layers and d_mlp are equal, too. FAILED_PRECONDITION (TOO_FEW_POSITIONS) for fewer
// than 2 counted positions, (NON_FINITE_ACTIVATION) naming model, layer and neuron;
// RESOURCE_EXHAUSTED (MEMORY_BUDGET) where even the smallest plan exceeds options.memory_bytes,
// (OUT_OF_MEMORY) where the device has less than that; INVALID_ARGUMENT (PRECISION_UNAVAILABLE) for
// a precision that the device does not have; and what control.Check() says.
absl::StatusOr<CorrelationSet> ComputeCorrelations(const std::vector<const engine::Model*>& models,
                                                   const TokenSequences& tokens,
                                                   const CorrelationOptions& options,
                                                   RunControl& control);

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_CORRELATION_H_
