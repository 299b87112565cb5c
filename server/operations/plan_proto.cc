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

v1::StudyPlan StudyPlanProto(const analysis::StudyPlan& plan) {
  v1::StudyPlan proto;
  proto.set_correlation_count(static_cast<int32_t>(plan.correlations));
  proto.set_stored_correlation_count(static_cast<int32_t>(plan.stored_correlations));
  proto.set_ablation_count(static_cast<int32_t>(plan.ablations));
  proto.set_stored_ablation_count(static_cast<int32_t>(plan.stored_ablations));
  proto.set_forward_pass_count(plan.forward_passes);
  proto.set_forward_tokens(plan.forward_tokens);
  if (plan.estimated_seconds > 0) {
    *proto.mutable_estimated_duration() = google::protobuf::util::TimeUtil::MillisecondsToDuration(
        static_cast<int64_t>(plan.estimated_seconds * 1000));
  }
  return proto;
}

}  // namespace homolog::operations
