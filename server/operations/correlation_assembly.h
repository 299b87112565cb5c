// From pairs that the store has and pairs that were computed to one whole result.
//
// Thread-safety: pure function; the store is thread-safe.
#ifndef HOMOLOG_SERVER_OPERATIONS_CORRELATION_ASSEMBLY_H_
#define HOMOLOG_SERVER_OPERATIONS_CORRELATION_ASSEMBLY_H_

#include <vector>

#include "absl/status/statusor.h"
#include "server/analysis/correlation_result.h"
#include "server/operations/correlation_gaps.h"
#include "server/store/store.h"

namespace homolog::operations {

// The result `missing` of `gaps`, whose models were `computed`: results as ComputeCorrelations
// gives them, which this takes from. Its partners are all other of `checkpoints` checkpoints in
// their order. A pair that is known is read from the store, also where it was computed; what is
// said of the reference alone is as computed, if it was. DATA_LOSS (reason DAMAGED_RESULT) where a
// known pair cannot be read.
absl::StatusOr<analysis::CorrelationResult> AssembleResult(
    const store::Store& store, const CorrelationGaps& gaps, const MissingResult& missing,
    size_t checkpoints, std::vector<analysis::CorrelationResult>& computed);

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_CORRELATION_ASSEMBLY_H_
