// A study on its way through its parts.
//
// Thread-safety: the function runs on the device's worker.
#ifndef HOMOLOG_SERVER_OPERATIONS_STUDY_RUN_H_
#define HOMOLOG_SERVER_OPERATIONS_STUDY_RUN_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "server/analysis/run_control.h"
#include "server/operations/study_request.h"
#include "server/operations/study_work.h"

namespace homolog::operations {

// Computes what the store lacks of every part, step by step, and stores the study. Parts that are
// finished stay where it ends early; between parts it yields where others wait (RunControl).
// `tokens`: those that went through a model on its account, also in calls before; it adds to them.
absl::Status RunStudy(const AnalysisContext& context, const StudyInputs& inputs,
                      const StudyWork& work, const std::string& operation,
                      analysis::RunControl& control, int64_t* tokens);

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_STUDY_RUN_H_
