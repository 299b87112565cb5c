// Which products a correlation takes, which of them are in memory at the same time, and what that
// costs.
//
// Two kinds of products: within a layer of a model (what rotated neurons vary by, and what layer
// similarity divides by), and across: neurons of one layer of a model with neurons of some layers
// of another. The pieces depend on the models' shapes alone, so that a plan of many passes adds up
// the same numbers in the same order as one of a single pass.
//
// Thread-safety: values and pure functions.
#ifndef HOMOLOG_SERVER_ANALYSIS_CORRELATION_PLAN_H_
#define HOMOLOG_SERVER_ANALYSIS_CORRELATION_PLAN_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "server/analysis/correlation_options.h"
#include "server/engine/model.h"

namespace homolog::analysis {

// The products of the neurons of one layer with each other: [d_mlp, d_mlp].
struct WithinTile {
  int64_t model, layer;
};

// The products of the neurons of a layer of one model with neurons [column, column + columns) of
// another, which are whole layers: [d_mlp of row_model, columns].
struct CrossTile {
  int64_t row_model, row_layer, column_model, column, columns;
};

// One reading of the tokens. Both lists ascend: by pair of models, layer, column.
struct PlannedPass {
  std::vector<WithinTile> within;
  std::vector<CrossTile> cross;
  std::vector<int64_t> models;  // those that take part, ascending
};

struct CorrelationPlan {
  int64_t block_positions = 0;      // read and multiplied at once: whole sequences
  std::vector<PlannedPass> passes;  // none where every pair is known
  int64_t memory_bytes = 0;  // device memory of activations and moments at the peak, no weights
  int64_t memory_budget_bytes = 0;
  double multiplications = 0;             // of moments and baselines, each with an addition
  double forward_multiplications = 0;     // of all forward passes
  double multiplications_per_second = 0;  // what the device does, where it was measured
};

// What is asked of a plan.
struct PlanRequest {
  std::vector<engine::ModelShape> models;
  int64_t sequence_length = 0, sequence_count = 0;
  // Of options: pairing, rotations, precision, every_reference, memory_bytes, known_pairs.
  CorrelationOptions options;
  // At most this many positions in a block, but at least a sequence.
  int64_t most_block_positions = 4096;
};

// RESOURCE_EXHAUSTED (reason MEMORY_BUDGET) with both numbers where a pass of one product over
// blocks of one sequence exceeds the budget.
absl::StatusOr<CorrelationPlan> PlanCorrelation(const PlanRequest& request);

// Multiplications per position of a forward pass up to the last layer's neurons; attention's over
// half the sequence on average.
double ForwardMultiplications(const engine::ModelShape& shape, int64_t sequence_length);

// How long it takes at plan.multiplications_per_second.
double EstimatedSeconds(const CorrelationPlan& plan);

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_CORRELATION_PLAN_H_
