#include "server/operations/correlation_job.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "common/error.h"
#include "common/resource_names.h"
#include "server/analysis/universality.h"
#include "server/operations/correlation_request.h"
#include "server/operations/plan_proto.h"
#include "server/operations/stored_tokens.h"
#include "server/operations/timing.h"
#include "server/results/result_codec.h"

namespace homolog::operations {
namespace {

// The papers' threshold and its robustness checks.
constexpr double kUsualThresholds[] = {0.4, 0.5, 0.6};

void AddShares(const analysis::CorrelationResult& result, int64_t layers,
               v1::Correlation& manifest) {
  constexpr std::pair<v1::UniversalityRule, analysis::UniversalityRule> kRules[] = {
      {v1::UNIVERSALITY_RULE_MEAN, analysis::UniversalityRule::kMean},
      {v1::UNIVERSALITY_RULE_ALL, analysis::UniversalityRule::kAll},
      {v1::UNIVERSALITY_RULE_ANY, analysis::UniversalityRule::kAny}};
  for (const auto& [rule_proto, rule] : kRules) {
    for (const double threshold : kUsualThresholds) {
      const std::vector<bool> universal =
          analysis::UniversalNeurons(result.partners, result.dead, rule, threshold);
      v1::UniversalShare& share = *manifest.add_universal_shares();
      share.set_rule(rule_proto);
      share.set_threshold(threshold);
      int64_t total = 0;
      for (const int64_t count : analysis::CountByLayer(universal, layers)) {
        share.add_layer_counts(count);
        total += count;
      }
      share.set_universal_count(total);
      share.set_universal_share(static_cast<double>(total) / static_cast<double>(universal.size()));
    }
  }
}

// What a correlation of this operation is described by.
struct Computation {
  const CorrelationInputs& inputs;
  const std::string& operation;
  v1::CorrelationPlan plan;
  Stopwatch stopwatch;
};

void AddPartner(const checkpoints::CheckpointInfo& checkpoint,
                const analysis::PairCorrelations& pair, v1::Correlation& manifest) {
  v1::ResultCheckpoint& partner = *manifest.add_partners();
  partner = ResultCheckpointProto(checkpoint);
  partner.set_dead_neurons(pair.partner_dead);
  v1::PairSummary& summary = *manifest.add_pairs();
  summary.mutable_error()->set_pair_count(pair.error.pairs);
  summary.mutable_error()->set_max_abs(pair.error.max_abs);
  summary.mutable_error()->set_mean_abs(pair.error.mean_abs);
  summary.mutable_layer_similarity()->Add(pair.layer_similarity.begin(),
                                          pair.layer_similarity.end());
}

// Of the result whose reference is checkpoint number `reference`.
v1::Correlation Manifest(const Computation& computation, size_t reference,
                         const analysis::CorrelationResult& result) {
  const CorrelationInputs& inputs = computation.inputs;
  v1::Correlation manifest;
  manifest.set_name(FormatName(kCorrelations, inputs.ids[reference]));
  *manifest.mutable_reference() = ResultCheckpointProto(inputs.checkpoints[reference]);
  int64_t dead = 0;
  for (const uint8_t flag : result.dead) dead += flag;
  manifest.mutable_reference()->set_dead_neurons(dead);
  size_t partner = 0;
  for (size_t i = 0; i < inputs.checkpoints.size(); ++i) {
    if (i != reference) AddPartner(inputs.checkpoints[i], result.partners[partner++], manifest);
  }
  manifest.set_dataset(inputs.dataset.name());
  manifest.set_dataset_sha256(inputs.dataset.sha256());
  *manifest.mutable_parameters() = inputs.parameters;
  manifest.set_counted_positions(result.counted_positions);
  manifest.set_excluded_positions(result.excluded_positions);
  AddShares(result, inputs.checkpoints[reference].description->shape.layers, manifest);
  manifest.set_operation(computation.operation);
  *manifest.mutable_create_time() = computation.stopwatch.now();
  *manifest.mutable_duration() = computation.stopwatch.elapsed();
  *manifest.mutable_plan() = computation.plan;
  return manifest;
}

// Loads every checkpoint and holds it until the handles are gone.
absl::StatusOr<std::vector<checkpoints::CheckpointHandle>> AcquireAll(
    const AnalysisContext& context, const CorrelationInputs& inputs,
    analysis::RunControl& control) {
  std::vector<checkpoints::CheckpointHandle> handles;
  for (const checkpoints::CheckpointInfo& checkpoint : inputs.checkpoints) {
    HOMOLOG_RETURN_IF_ERROR(control.Check());
    HOMOLOG_ASSIGN_OR_RETURN(checkpoints::CheckpointHandle handle,
                             AcquireUnchanged(context, checkpoint));
    handles.push_back(std::move(handle));
  }
  return handles;
}

// A former process may have stored the result and died before it said so. One that is damaged is
// computed anew.
bool IsStored(const AnalysisContext& context, const std::string& id) {
  return results::ReadComplete(*context.store, id).ok();
}

absl::Status Run(const AnalysisContext& context, const CorrelationInputs& inputs,
                 const std::string& operation, analysis::RunControl& control) {
  const auto stored = [&](const std::string& id) { return IsStored(context, id); };
  if (std::all_of(inputs.ids.begin(), inputs.ids.end(), stored)) return absl::OkStatus();
  Computation computation{inputs, operation, {}, {}};
  control.OnStage("loading checkpoints");
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<checkpoints::CheckpointHandle> handles,
                           AcquireAll(context, inputs, control));
  std::vector<const engine::Model*> models;
  for (const checkpoints::CheckpointHandle& handle : handles) models.push_back(handle->model.get());
  HOMOLOG_ASSIGN_OR_RETURN(const std::string dataset_id,
                           ParseName(kDatasets, inputs.dataset.name()));
  const StoredTokens tokens(*context.store, dataset_id, inputs.dataset);
  HOMOLOG_ASSIGN_OR_RETURN(analysis::CorrelationSet set,
                           analysis::ComputeCorrelations(models, tokens, inputs.options, control));
  control.OnStage("storing");
  HOMOLOG_RETURN_IF_ERROR(CheckUnchanged(*context.store, inputs.dataset));
  computation.plan = PlanProto(set.plan);
  for (size_t i = 0; i < set.results.size(); ++i) {
    if (IsStored(context, inputs.ids[i])) continue;  // asked for alone before
    const std::string manifest = Manifest(computation, i, set.results[i]).SerializeAsString();
    const std::vector<store::Blob> columns = results::EncodeColumns(set.results[i]);
    set.results[i] = {};  // hundreds of megabytes, in the columns now
    HOMOLOG_RETURN_IF_ERROR(
        context.store->PutResult(kCorrelations, inputs.ids[i], manifest, columns));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Job> PrepareCorrelation(const AnalysisContext& context,
                                       const v1::ComputeCorrelationsRequest& request) {
  HOMOLOG_ASSIGN_OR_RETURN(CorrelationInputs validated, ValidateCorrelation(context, request));
  const auto inputs = std::make_shared<const CorrelationInputs>(std::move(validated));
  Job job;
  job.kind = std::string(kCorrelationKind);
  job.result = FormatName(kCorrelations, inputs->ids[0]);
  if (request.every_reference()) {
    for (const std::string& id : inputs->ids) {
      job.results.push_back(FormatName(kCorrelations, id));
    }
  }
  job.request = request.SerializeAsString();
  job.run = [context, inputs](const std::string& operation, analysis::RunControl& control) {
    return Run(context, *inputs, operation, control);
  };
  return job;
}

}  // namespace homolog::operations
