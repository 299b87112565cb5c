// What a study is going to compute, and what is there already.
#ifndef HOMOLOG_SERVER_ANALYSIS_STUDY_PLAN_H_
#define HOMOLOG_SERVER_ANALYSIS_STUDY_PLAN_H_

#include <cstdint>

namespace homolog::analysis {

struct StudyPlan {
  int64_t correlations = 0, stored_correlations = 0;
  int64_t ablations = 0, stored_ablations = 0;
  int64_t forward_passes = 0;  // readings of the whole data set by one model
  int64_t forward_tokens = 0;
  double estimated_seconds = 0;
};

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_STUDY_PLAN_H_
