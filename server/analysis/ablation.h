// What the next-token distribution does when neurons are taken out.
//
// Thread-safety: the functions may be called from several threads; all work is on the calling one
// (and libtorch's intra-op threads).
#ifndef HOMOLOG_SERVER_ANALYSIS_ABLATION_H_
#define HOMOLOG_SERVER_ANALYSIS_ABLATION_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "server/analysis/run_control.h"
#include "server/analysis/token_sequences.h"
#include "server/engine/model.h"

namespace homolog::analysis {

// A set of neurons as ascending flat indices layer * d_mlp + neuron.
using NeuronSet = std::vector<int64_t>;

// The effect of one set, over all positions of the data set; nats.
struct AblationEffect {
  int64_t neuron_count = 0;
  double ablated_loss = 0;    // mean next-token cross-entropy over predicted positions
  double kl = 0;              // mean over positions of KL(clean || ablated)
  double entropy_change = 0;  // mean over positions of entropy(ablated) - entropy(clean)
  double top1_agreement = 0;  // share of positions with the same most likely token
};

struct AblationResult {
  int64_t predicted_positions = 0;  // sequences * (sequence_length - 1)
  double clean_loss = 0;
  std::vector<AblationEffect> effects;  // one per set
};

// Measures every set with mlp_post of its neurons replaced by 0 (zero ablation); all sets share one
// clean pass. Logits are reduced in slices of bounded size. FAILED_PRECONDITION (TOO_FEW_POSITIONS)
// where no position has a next token, (NON_FINITE_LOSS) where the model predicts no finite numbers;
// RESOURCE_EXHAUSTED (OUT_OF_MEMORY); and what control.Check() says.
absl::StatusOr<AblationResult> RunZeroAblation(const engine::Model& model,
                                               const std::vector<NeuronSet>& sets,
                                               const TokenSequences& tokens, RunControl& control);

// `count` (at most `neurons`) of `neurons` neurons, drawn without replacement; depends on seed and
// draw alone.
NeuronSet RandomNeurons(int64_t neurons, int64_t count, uint64_t seed, int64_t draw);

// Mean and standard deviation (n - 1 in the denominator; 0 for one effect) of every number but
// neuron_count, which is the first effect's. No effects: 0.
AblationEffect MeanEffect(const std::vector<AblationEffect>& effects);
AblationEffect EffectDeviation(const std::vector<AblationEffect>& effects);

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_ABLATION_H_
