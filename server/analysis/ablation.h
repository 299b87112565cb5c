// What the next-token distribution does when the activations of neurons are replaced.
//
// Thread-safety: the functions may be called from several threads; all work is on the calling one
// (and libtorch's intra-op threads).
#ifndef HOMOLOG_SERVER_ANALYSIS_ABLATION_H_
#define HOMOLOG_SERVER_ANALYSIS_ABLATION_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "server/analysis/estimate.h"
#include "server/analysis/neuron_set.h"
#include "server/analysis/run_control.h"
#include "server/analysis/token_sequences.h"
#include "server/engine/model.h"

namespace homolog::analysis {

// What takes the place of an ablated neuron's activation x at mlp_post.
enum class AblationKind {
  kZero,
  kMean,       // the neuron's mean over all positions of the data set
  kFixed,      // AblationOptions::value
  kThreshold,  // min(x, value)
  kResample,   // its activation at another position of the same sequence, drawn at random; the same
               // position for all neurons
};

struct AblationOptions {
  AblationKind kind = AblationKind::kZero;
  double value = 0;   // of kFixed and kThreshold
  uint64_t seed = 0;  // of kResample
};

// The effect of one set, nats; standard errors over sequences. A sequence counts with the mean over
// its positions.
struct AblationEffect {
  int64_t neuron_count = 0;
  Estimate ablated_loss;    // next-token cross-entropy over predicted positions
  Estimate loss_increase;   // ablated - clean loss, by sequence
  Estimate kl;              // KL(clean || ablated) over all positions
  Estimate entropy_change;  // entropy(ablated) - entropy(clean) over all positions
  Estimate top1_agreement;  // share of positions with the same most likely token
};

struct AblationResult {
  int64_t predicted_positions = 0;  // sequences * (sequence_length - 1)
  Estimate clean_loss;
  std::vector<AblationEffect> effects;  // one per set
};

// Positions that go through the model, as RunAblation counts them, for so many sets.
int64_t AblationPositions(const engine::ModelShape& shape, AblationKind kind, int64_t sets,
                          int64_t sequence_count, int64_t sequence_length);

// Measures every set. All sets share one clean pass per batch, unless there are so many that their
// final residual streams would not fit; a set begins where its first layer's neurons have been
// computed, and several sets go through the layers after that as one batch. Logits are reduced in
// slices of bounded size. Models with kMean take one pass over the tokens more, with kResample one
// clean pass more. FAILED_PRECONDITION (TOO_FEW_POSITIONS) where no position has a next token,
// (NON_FINITE_LOSS) where the model predicts no finite numbers; RESOURCE_EXHAUSTED (OUT_OF_MEMORY);
// and what control.Check() says.
absl::StatusOr<AblationResult> RunAblation(const engine::Model& model,
                                           const std::vector<NeuronSet>& sets,
                                           const AblationOptions& options,
                                           const TokenSequences& tokens, RunControl& control);

// Of draws of a random set: every number's mean, standard errors too; neuron_count is rounded. No
// effects: 0.
AblationEffect MeanEffect(const std::vector<AblationEffect>& effects);
// The standard deviation of every mean over draws (n - 1 in the denominator; 0 for one effect), as
// the means of what is returned, without standard errors and neuron_count.
AblationEffect EffectDeviation(const std::vector<AblationEffect>& effects);

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_ABLATION_H_
