// How a correlation goes about it, as clients see it.
//
// Thread-safety: pure function.
#ifndef HOMOLOG_SERVER_OPERATIONS_PLAN_PROTO_H_
#define HOMOLOG_SERVER_OPERATIONS_PLAN_PROTO_H_

#include "homolog/v1/correlation.pb.h"
#include "server/analysis/correlation_plan.h"

namespace homolog::operations {

// estimated_duration is from the plan's own rate; absent where it has none.
v1::CorrelationPlan PlanProto(const analysis::CorrelationPlan& plan);

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_PLAN_PROTO_H_
