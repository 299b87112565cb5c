// ComputeCorrelations from request to stored result.
//
// Thread-safety: the functions may be called from any thread; RunCorrelation, and so the job, runs
// on the device's worker.
#ifndef HOMOLOG_SERVER_OPERATIONS_CORRELATION_JOB_H_
#define HOMOLOG_SERVER_OPERATIONS_CORRELATION_JOB_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "homolog/v1/analysis_service.pb.h"
#include "server/analysis/run_control.h"
#include "server/operations/analysis_inputs.h"
#include "server/operations/correlation_request.h"
#include "server/operations/job.h"

namespace homolog::operations {

inline constexpr std::string_view kCorrelationKind = "correlation";

// Validates the request, fills in defaults and names the result. Errors as analysis_service.proto
// says.
absl::StatusOr<Job> PrepareCorrelation(const AnalysisContext& context,
                                       const v1::ComputeCorrelationsRequest& request);

// Computes what the store lacks of the inputs' results and stores it: what a job does. Pairs that
// some stored result has are copied from there, and only the models of the other pairs are loaded
// and run. `operation` is named in what is stored. Errors as analysis_service.proto says of the
// operation; FAILED_PRECONDITION (reason CHECKPOINT_CHANGED, DATASET_CHANGED); what control.Check()
// says.
absl::Status RunCorrelation(const AnalysisContext& context, const CorrelationInputs& inputs,
                            const std::string& operation, analysis::RunControl& control);

// What RunCorrelation would do.
struct CorrelationWork {
  int64_t stored_results = 0;  // that the store has
  int64_t forward_passes = 0;  // readings of the whole data set by one model
  int64_t forward_tokens = 0;  // positions that go through models, summed over them
  // Each with an addition: of moments and baselines, and of forward passes.
  double multiplications = 0;
  double forward_multiplications = 0;
};

// What RunCorrelation would do now; all 0 but stored_results where everything is stored or can be
// put together from stored pairs. Pairs are known by the columns that queries read and the sizes of
// all others: RunCorrelation computes those, too, whose numbers turn out to be damaged. As
// PlanCorrelation.
absl::StatusOr<CorrelationWork> PlanWork(const AnalysisContext& context,
                                         const CorrelationInputs& inputs);

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_CORRELATION_JOB_H_
