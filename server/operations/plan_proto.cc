#include "server/operations/plan_proto.h"

#include <google/protobuf/util/time_util.h>

namespace homolog::operations {

v1::CorrelationPlan PlanProto(const analysis::CorrelationPlan& plan) {
  v1::CorrelationPlan proto;
  proto.set_passes(static_cast<int32_t>(plan.passes.size()));
  proto.set_block_positions(plan.block_positions);
  proto.set_memory_bytes(plan.memory_bytes);
  proto.set_memory_budget_bytes(plan.memory_budget_bytes);
  proto.set_multiplications(plan.multiplications);
  if (plan.multiplications_per_second > 0) {
    *proto.mutable_estimated_duration() = google::protobuf::util::TimeUtil::MillisecondsToDuration(
        static_cast<int64_t>(analysis::EstimatedSeconds(plan) * 1000));
  }
  return proto;
}

}  // namespace homolog::operations
