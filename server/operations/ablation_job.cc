#include "server/operations/ablation_job.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "common/error.h"
#include "common/resource_names.h"
#include "server/operations/ablation_manifest.h"
#include "server/operations/stored_tokens.h"
#include "server/operations/timing.h"
#include "server/results/result_codec.h"

namespace homolog::operations {
namespace {

// The sets of a target that the store lacks, once each.
std::vector<const AblatedSet*> Missing(const AnalysisContext& context,
                                       const AblationTarget& target) {
  std::vector<const AblatedSet*> missing;
  for (const AblatedSet& set : target.sets) {
    const bool twice = std::any_of(missing.begin(), missing.end(),
                                   [&](const AblatedSet* other) { return other->id == set.id; });
    if (!twice && !results::ReadAblation(*context.store, set.id).ok()) missing.push_back(&set);
  }
  return missing;
}

absl::Status RunTarget(const AnalysisContext& context, const AblationInputs& inputs,
                       const AblationTarget& target, const std::string& operation,
                       analysis::RunControl& control) {
  const std::vector<const AblatedSet*> missing = Missing(context, target);
  if (missing.empty()) return absl::OkStatus();
  const Stopwatch stopwatch;
  control.OnStage("loading checkpoints");
  HOMOLOG_ASSIGN_OR_RETURN(const checkpoints::CheckpointHandle handle,
                           AcquireUnchanged(context, target.checkpoint));
  HOMOLOG_ASSIGN_OR_RETURN(const std::string dataset_id,
                           ParseName(kDatasets, inputs.dataset.name()));
  const StoredTokens tokens(*context.store, dataset_id, inputs.dataset);
  const MeasuredNeurons measured(missing, target.checkpoint.description->shape);
  HOMOLOG_ASSIGN_OR_RETURN(const analysis::AblationResult result,
                           analysis::RunAblation(*handle->model, measured.sets(),
                                                 inputs.method.options(), tokens, control));
  control.OnStage("storing");
  HOMOLOG_RETURN_IF_ERROR(CheckUnchanged(*context.store, inputs.dataset));
  for (size_t i = 0; i < missing.size(); ++i) {
    v1::Ablation manifest = measured.Manifest(i, result);
    DescribeAblation(inputs, target.checkpoint, manifest);
    manifest.set_operation(operation);
    *manifest.mutable_create_time() = stopwatch.now();
    *manifest.mutable_duration() = stopwatch.elapsed();
    HOMOLOG_RETURN_IF_ERROR(
        context.store->PutResult(kAblations, missing[i]->id, manifest.SerializeAsString(), {}));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunAblations(const AnalysisContext& context, const AblationInputs& inputs,
                          const std::string& operation, analysis::RunControl& control) {
  for (const AblationTarget& target : inputs.targets) {
    HOMOLOG_RETURN_IF_ERROR(control.Check());
    HOMOLOG_RETURN_IF_ERROR(RunTarget(context, inputs, target, operation, control));
  }
  return absl::OkStatus();
}

int64_t MeasuredSets(v1::AblationScope scope, int64_t layers, int64_t draws) {
  return (scope == v1::ABLATION_SCOPE_PER_LAYER ? layers : 1) * draws;
}

absl::StatusOr<Job> PrepareAblation(const AnalysisContext& context,
                                    const v1::RunAblationRequest& request) {
  auto hold = std::make_shared<store::Store::Hold>(context.store);
  HOMOLOG_ASSIGN_OR_RETURN(AblationInputs validated, ValidateAblation(context, request));
  const auto inputs = std::make_shared<const AblationInputs>(std::move(validated));
  Job job;
  job.hold = std::move(hold);
  job.kind = std::string(kAblationKind);
  for (const AblationTarget& target : inputs->targets) {
    for (const AblatedSet& set : target.sets) {
      job.results.push_back(FormatName(kAblations, set.id));
    }
  }
  job.result = job.results.front();
  if (job.results.size() == 1) job.results.clear();
  job.request = request.SerializeAsString();
  job.run = [context, inputs](const std::string& operation, analysis::RunControl& control) {
    return RunAblations(context, *inputs, operation, control);
  };
  return job;
}

}  // namespace homolog::operations
