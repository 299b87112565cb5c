// What the store lacks of a correlation's results, and which computation brings it.
//
// Every pair of a reference and a partner is known on its own, whatever other partners it was
// computed with, so that a question widened by a checkpoint takes the pairs with that checkpoint
// alone.
//
// Thread-safety: pure functions; registry and store are thread-safe.
#ifndef HOMOLOG_SERVER_OPERATIONS_CORRELATION_GAPS_H_
#define HOMOLOG_SERVER_OPERATIONS_CORRELATION_GAPS_H_

#include <cstddef>
#include <map>
#include <vector>

#include "absl/status/statusor.h"
#include "server/analysis/correlation_options.h"
#include "server/analysis/correlation_plan.h"
#include "server/analysis/run_control.h"
#include "server/operations/correlation_request.h"
#include "server/results/stored_pairs.h"

namespace homolog::operations {

// Checkpoints are meant by their numbers in CorrelationInputs.

// A result that the store lacks.
struct MissingResult {
  size_t reference = 0;
  std::map<size_t, results::StoredPair> known;  // by partner: where the store has the pair
};

struct CorrelationGaps {
  std::vector<size_t> stored;          // references of results that the store has
  std::vector<MissingResult> missing;  // by reference, ascending
  // The checkpoints of pairs that are computed, ascending: all pairs among them but for
  // options.known_pairs, which count them by their places here. None where every pair is known.
  std::vector<size_t> models;
  analysis::CorrelationOptions options;
};

// Which pairs count as known.
enum class Known {
  kBySize,   // whose columns have their sizes; those that queries read are whole
  kByValue,  // whose columns can be read, too: all of them are
};

// `pairs` has not been asked before. The error of control.Check(), which is asked before every
// pair.
absl::StatusOr<CorrelationGaps> FindGaps(const CorrelationInputs& inputs,
                                         results::StoredPairs& pairs, Known known,
                                         analysis::RunControl& control);

// How the models of the gaps would be computed. As PlanCorrelation.
absl::StatusOr<analysis::CorrelationPlan> PlanGaps(const CorrelationInputs& inputs,
                                                   const CorrelationGaps& gaps);

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_CORRELATION_GAPS_H_
