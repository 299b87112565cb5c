// RunAblation from request to stored results.
//
// Thread-safety: the functions may be called from any thread; jobs run on the device's worker.
#ifndef HOMOLOG_SERVER_OPERATIONS_ABLATION_JOB_H_
#define HOMOLOG_SERVER_OPERATIONS_ABLATION_JOB_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "homolog/v1/analysis_service.pb.h"
#include "server/analysis/run_control.h"
#include "server/operations/ablation_request.h"
#include "server/operations/analysis_inputs.h"
#include "server/operations/job.h"

namespace homolog::operations {

inline constexpr std::string_view kAblationKind = "ablation";

// Validates the request, fills in defaults and names the results. Errors as analysis_service.proto
// says.
absl::StatusOr<Job> PrepareAblation(const AnalysisContext& context,
                                    const v1::RunAblationRequest& request);

// Computes what the store lacks of the inputs' results and stores it, checkpoint by checkpoint:
// what a job does.
absl::Status RunAblations(const AnalysisContext& context, const AblationInputs& inputs,
                          const std::string& operation, analysis::RunControl& control);

// Sets of neurons that the engine is asked about for a set of that many layers and draws.
int64_t MeasuredSets(v1::AblationScope scope, int64_t layers, int64_t draws);

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_ABLATION_JOB_H_
