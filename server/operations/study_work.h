// What a study has to do now, part by part.
//
// Thread-safety: pure functions; the store is thread-safe.
#ifndef HOMOLOG_SERVER_OPERATIONS_STUDY_WORK_H_
#define HOMOLOG_SERVER_OPERATIONS_STUDY_WORK_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "server/analysis/study_plan.h"
#include "server/operations/study_request.h"

namespace homolog::operations {

// Token positions that will go through models, part by part; and all of it together.
struct StudyWork {
  std::vector<int64_t> by_step;                     // correlations
  std::vector<std::vector<int64_t>> ablations;      // [model, step]
  std::vector<std::vector<int64_t>> between_steps;  // [model, first step]
  int64_t same_index = 0;
  analysis::StudyPlan plan;
};

// multiplications_per_second: what the device does. Sets of neurons that prove empty are counted.
absl::StatusOr<StudyWork> PlanStudy(const AnalysisContext& context, const StudyInputs& inputs,
                                    double multiplications_per_second);

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_STUDY_WORK_H_
