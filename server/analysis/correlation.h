// Correlations between the neurons of any number of models, and their baseline: every model runs
// once over the tokens, every unordered pair of models is one product per block of tokens, and all
// else follows from the moments.
//
// Thread-safety: the functions may be called from several threads; all their work is on the calling
// one (and libtorch's intra-op threads).
#ifndef HOMOLOG_SERVER_ANALYSIS_CORRELATION_H_
#define HOMOLOG_SERVER_ANALYSIS_CORRELATION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/analysis/correlation_options.h"
#include "server/analysis/correlation_plan.h"
#include "server/analysis/correlation_result.h"
#include "server/analysis/run_control.h"
#include "server/analysis/state_archive.h"
#include "server/analysis/token_sequences.h"
#include "server/engine/model.h"

namespace homolog::analysis {

// What a computation took. On a device that works on its own, the moments' seconds hold what the
// host waited for.
struct CorrelationCost {
  int64_t tokens = 0;                  // that went through a model
  double forward_seconds = 0;          // forward passes
  double moments_seconds = 0;          // statistics and products
  double reduction_seconds = 0;        // from moments to results
  double moments_multiplications = 0;  // each with an addition
};

// Snapshots of a computation, and what of it its plan does not say: models, tokens, options.
struct KeyedSnapshots {
  Snapshots* snapshots = nullptr;
  std::string key;
};

// One result per reference, in the order of the models.
struct CorrelationSet {
  std::vector<CorrelationResult> results;
  CorrelationPlan plan;  // the one that was carried out; no pass where every pair is known
  CorrelationCost cost;
};

// Correlates `models` (at least 2), as docs/definitions.md says. Each runs once over `tokens` per
// pass of the plan that control.OnPlan is told, and that it takes part in. A result's partners are
// the other models in their order; those of options.known_pairs have no numbers, and a reference
// of known pairs alone, which does not run, has neither statistics nor positions. Where the device
// runs out of memory, it starts again with half the block. All models are on one device, have the
// same vocabulary and a context of at least the sequence length; with kSameIndex, layers and d_mlp
// are equal, too. FAILED_PRECONDITION (TOO_FEW_POSITIONS) for fewer than 2 counted positions,
// (NON_FINITE_ACTIVATION) naming model, layer and neuron; RESOURCE_EXHAUSTED (MEMORY_BUDGET) where
// even the smallest plan exceeds options.memory_bytes, (OUT_OF_MEMORY) where the device has less
// than that; INVALID_ARGUMENT (PRECISION_UNAVAILABLE) for a precision that the device does not
// have; and what control.Check() says.
//
// snapshots (may be null): keep its state now and then and where control.Check() interrupts it, and
// give back what a former call with the same key, models, tokens and options kept, with bit by bit
// the same result.
absl::StatusOr<CorrelationSet> ComputeCorrelations(const std::vector<const engine::Model*>& models,
                                                   const TokenSequences& tokens,
                                                   const CorrelationOptions& options,
                                                   RunControl& control,
                                                   const KeyedSnapshots& keep = {});

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_CORRELATION_H_
