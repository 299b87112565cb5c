// How a correlation or a study goes about it, as clients see it.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_OPERATIONS_PLAN_PROTO_H_
#define HOMOLOG_SERVER_OPERATIONS_PLAN_PROTO_H_

#include "homolog/v1/correlation.pb.h"
#include "homolog/v1/study.pb.h"
#include "server/analysis/correlation_plan.h"
#include "server/analysis/study_plan.h"

namespace homolog::operations {

// estimated_duration is from the plan's own rate; absent where it has none.
v1::CorrelationPlan PlanProto(const analysis::CorrelationPlan& plan);
v1::StudyPlan StudyPlanProto(const analysis::StudyPlan& plan);

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_PLAN_PROTO_H_
