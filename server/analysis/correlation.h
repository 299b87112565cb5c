// Correlations of one reference model's neurons with those of its partners, and their baseline.
//
// Thread-safety: the function may be called from several threads; all its work is on the calling
// one (and libtorch's intra-op threads).
#ifndef HOMOLOG_SERVER_ANALYSIS_CORRELATION_H_
#define HOMOLOG_SERVER_ANALYSIS_CORRELATION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/analysis/rotation.h"
#include "server/analysis/run_control.h"
#include "server/analysis/token_sequences.h"
#include "server/engine/model.h"

namespace homolog::analysis {

enum class Pairing { kBest, kSameIndex };

struct CorrelationOptions {
  engine::Site site = engine::Site::kMlpPost;
  Pairing pairing = Pairing::kBest;
  BaselineKind baseline = BaselineKind::kGaussian;
  int64_t rotations = 1;  // > 0
  uint64_t seed = 0;
  std::vector<int64_t> excluded_token_ids = {};  // sorted
  // Of the reference, then of the partners: what messages call them. Empty: their places.
  std::vector<std::string> model_names = {};
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
};

struct CorrelationResult {
  int64_t counted_positions = 0;
  int64_t excluded_positions = 0;
  std::vector<uint8_t> dead;  // 1 where the reference neuron never varied
  std::vector<PairCorrelations> partners;
};

// Bytes of device memory that the moments take, without the models.
int64_t CorrelationBytes(const engine::ModelShape& reference,
                         const std::vector<engine::ModelShape>& partners,
                         const CorrelationOptions& options);

// Runs every model once over `tokens` and correlates, as docs/definitions.md says. All
// models are on one device, have the same vocabulary and a context of at least the sequence length;
// with kSameIndex, layers and d_mlp are equal, too. FAILED_PRECONDITION (TOO_FEW_POSITIONS) for
// fewer than 2 counted positions, (NON_FINITE_ACTIVATION) naming model, layer and
// neuron; RESOURCE_EXHAUSTED (OUT_OF_MEMORY); and what control.Check() says.
absl::StatusOr<CorrelationResult> ComputeCorrelations(
    const engine::Model& reference, const std::vector<const engine::Model*>& partners,
    const TokenSequences& tokens, const CorrelationOptions& options, RunControl& control);

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_CORRELATION_H_
