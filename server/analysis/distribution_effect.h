// Clean against ablated next-token distributions, summed over the positions of every sequence.
//
// Thread-safety: pure functions on the calling thread. They throw what libtorch throws.
#ifndef HOMOLOG_SERVER_ANALYSIS_DISTRIBUTION_EFFECT_H_
#define HOMOLOG_SERVER_ANALYSIS_DISTRIBUTION_EFFECT_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "server/analysis/run_control.h"
#include "server/engine/model.h"

namespace homolog::analysis {

// Of one batch, float64 [sequence] on the model's device: sums over positions, in nats.
struct CleanSums {
  at::Tensor loss;  // cross-entropy of the next token over predicted positions
};

struct EffectSums {
  at::Tensor loss;
  at::Tensor kl;              // KL(P || Q), P clean, Q ablated
  at::Tensor entropy_change;  // entropy(Q) - entropy(P)
  at::Tensor top1_agreement;  // positions where the most likely token is the same
};

struct BatchSums {
  CleanSums clean;
  std::vector<EffectSums> effects;  // one per ablated pass
};

// tokens: [sequence, position] int64 on the model's device; hidden: what Model::Hidden gave for the
// clean pass, then for each ablated pass, [sequence, position, d_model]. Logits exist for a slice
// of positions at a time: at most about 64 MiB each.
absl::StatusOr<BatchSums> CompareDistributions(const engine::Model& model, const at::Tensor& tokens,
                                               const std::vector<at::Tensor>& hidden,
                                               RunControl& control);

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_DISTRIBUTION_EFFECT_H_
