// A ComputeCorrelations request, validated and complete.
//
// Thread-safety: pure functions; registry and store are thread-safe.
#ifndef HOMOLOG_SERVER_OPERATIONS_CORRELATION_REQUEST_H_
#define HOMOLOG_SERVER_OPERATIONS_CORRELATION_REQUEST_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "homolog/v1/analysis_service.pb.h"
#include "server/analysis/correlation.h"
#include "server/operations/analysis_inputs.h"
#include "server/results/stored_pairs.h"

namespace homolog::operations {

struct CorrelationInputs {
  v1::ComputeCorrelationsRequest request;                // as it came
  v1::CorrelationParameters parameters;                  // every default filled in
  analysis::CorrelationOptions options;                  // the same for the analysis
  std::vector<checkpoints::CheckpointInfo> checkpoints;  // the reference, then the partners
  v1::Dataset dataset;
  // Of the results: of the first checkpoint as the reference, or of each in turn.
  std::vector<std::string> ids;
};

// Errors as analysis_service.proto says.
absl::StatusOr<CorrelationInputs> ValidateCorrelation(
    const AnalysisContext& context, const v1::ComputeCorrelationsRequest& request);

// What determines the numbers of checkpoint number `reference` with checkpoint number `partner`,
// whatever other partners there are.
results::PairKey KeyOfPair(const CorrelationInputs& inputs, size_t reference, size_t partner);

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_CORRELATION_REQUEST_H_
