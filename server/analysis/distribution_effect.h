// Clean against ablated next-token distributions, summed over positions.
//
// Thread-safety: pure functions on the calling thread. They throw what libtorch throws.
#ifndef HOMOLOG_SERVER_ANALYSIS_DISTRIBUTION_EFFECT_H_
#define HOMOLOG_SERVER_ANALYSIS_DISTRIBUTION_EFFECT_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "server/analysis/run_control.h"
#include "server/engine/model.h"

namespace homolog::analysis {

// Sums in nats, float64. loss: cross-entropy of the next token over predicted positions.
struct CleanSums {
  int64_t positions = 0;
  int64_t predicted = 0;  // positions with a next token
  double loss = 0;
};

struct EffectSums {
  double loss = 0;
  double kl = 0;              // KL(P || Q), P clean, Q ablated
  double entropy_change = 0;  // entropy(Q) - entropy(P)
  double top1_agreement = 0;  // positions where the most likely token is the same
};

// Adds one batch. tokens: [sequence, position] int64 on the model's device; hidden: what
// Model::Hidden gave for the clean pass, then for each ablated pass, [sequence, position, d_model];
// sums: one per ablated pass. Logits exist for a slice of positions at a time: at most about 64 MiB
// each.
absl::Status CompareDistributions(const engine::Model& model, const at::Tensor& tokens,
                                  const std::vector<at::Tensor>& hidden, CleanSums& clean,
                                  std::vector<EffectSums>& sums, RunControl& control);

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_DISTRIBUTION_EFFECT_H_
