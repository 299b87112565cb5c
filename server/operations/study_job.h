// RunStudy from request to stored result.
//
// Thread-safety: the function may be called from any thread; the job runs on the device's worker.
#ifndef HOMOLOG_SERVER_OPERATIONS_STUDY_JOB_H_
#define HOMOLOG_SERVER_OPERATIONS_STUDY_JOB_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "homolog/v1/analysis_service.pb.h"
#include "server/operations/analysis_inputs.h"
#include "server/operations/job.h"

namespace homolog::operations {

inline constexpr std::string_view kStudyKind = "study";

// Validates the request, fills in defaults and names the result. Errors as analysis_service.proto
// says.
absl::StatusOr<Job> PrepareStudy(const AnalysisContext& context,
                                 const v1::RunStudyRequest& request);

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_STUDY_JOB_H_
