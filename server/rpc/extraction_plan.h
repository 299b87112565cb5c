// An ExtractActivations request, validated and with its checkpoint in memory.
#ifndef HOMOLOG_SERVER_RPC_EXTRACTION_PLAN_H_
#define HOMOLOG_SERVER_RPC_EXTRACTION_PLAN_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "homolog/v1/activations.pb.h"
#include "server/analysis/extraction.h"
#include "server/operations/analysis_inputs.h"

namespace homolog::rpc {

struct ExtractionPlan {
  checkpoints::CheckpointHandle checkpoint;
  v1::Dataset dataset;
  std::string dataset_id;
  analysis::ExtractionOptions options;
  v1::ActivationsHeader header;
  int64_t row_bytes = 0;  // of one position of one layer
};

// Errors as AnalysisService.ExtractActivations says. May load the checkpoint.
absl::StatusOr<ExtractionPlan> PlanExtraction(const operations::AnalysisContext& context,
                                              const v1::ExtractActivationsRequest& request);

}  // namespace homolog::rpc

#endif  // HOMOLOG_SERVER_RPC_EXTRACTION_PLAN_H_
