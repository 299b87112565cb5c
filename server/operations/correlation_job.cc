#include "server/operations/correlation_job.h"

#include <google/protobuf/util/time_util.h>

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "common/error.h"
#include "common/resource_names.h"
#include "server/analysis/universality.h"
#include "server/operations/correlation_request.h"
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

v1::Correlation Manifest(const CorrelationInputs& inputs, const analysis::CorrelationResult& result,
                         const std::string& operation, const Stopwatch& stopwatch) {
  v1::Correlation manifest;
  manifest.set_name(FormatName(kCorrelations, inputs.id));
  *manifest.mutable_reference() = ResultCheckpointProto(inputs.reference);
  int64_t dead = 0;
  for (const uint8_t flag : result.dead) dead += flag;
  manifest.mutable_reference()->set_dead_neurons(dead);
  for (size_t i = 0; i < inputs.partners.size(); ++i) {
    v1::ResultCheckpoint& partner = *manifest.add_partners();
    partner = ResultCheckpointProto(inputs.partners[i]);
    partner.set_dead_neurons(result.partners[i].partner_dead);
  }
  manifest.set_dataset(inputs.dataset.name());
  manifest.set_dataset_sha256(inputs.dataset.sha256());
  *manifest.mutable_parameters() = inputs.parameters;
  manifest.set_counted_positions(result.counted_positions);
  manifest.set_excluded_positions(result.excluded_positions);
  AddShares(result, inputs.reference.description->shape.layers, manifest);
  manifest.set_operation(operation);
  *manifest.mutable_create_time() = stopwatch.now();
  *manifest.mutable_duration() = stopwatch.elapsed();
  return manifest;
}

// Loads every checkpoint and holds it until the handles are gone.
absl::StatusOr<std::vector<checkpoints::CheckpointHandle>> AcquireAll(
    const AnalysisContext& context, const CorrelationInputs& inputs,
    analysis::RunControl& control) {
  std::vector<checkpoints::CheckpointHandle> handles;
  std::vector<const checkpoints::CheckpointInfo*> wanted = {&inputs.reference};
  for (const checkpoints::CheckpointInfo& partner : inputs.partners) wanted.push_back(&partner);
  for (const checkpoints::CheckpointInfo* checkpoint : wanted) {
    HOMOLOG_RETURN_IF_ERROR(control.Check());
    HOMOLOG_ASSIGN_OR_RETURN(checkpoints::CheckpointHandle handle,
                             AcquireUnchanged(context, *checkpoint));
    handles.push_back(std::move(handle));
  }
  return handles;
}

absl::Status Run(const AnalysisContext& context, const CorrelationInputs& inputs,
                 const std::string& operation, analysis::RunControl& control) {
  // A former process may have stored the result and died before it said so.
  // One that is damaged is computed anew.
  if (const auto stored = results::ReadCorrelation(*context.store, inputs.id);
      stored.ok() && results::ReadColumns(*context.store, inputs.id, *stored).ok()) {
    return absl::OkStatus();
  }
  const Stopwatch stopwatch;
  control.OnStage("loading checkpoints");
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<checkpoints::CheckpointHandle> handles,
                           AcquireAll(context, inputs, control));
  std::vector<const engine::Model*> partners;
  for (size_t i = 1; i < handles.size(); ++i) partners.push_back(handles[i]->model.get());
  HOMOLOG_ASSIGN_OR_RETURN(const std::string dataset_id,
                           ParseName(kDatasets, inputs.dataset.name()));
  const StoredTokens tokens(*context.store, dataset_id, inputs.dataset);
  HOMOLOG_ASSIGN_OR_RETURN(
      const analysis::CorrelationResult result,
      analysis::ComputeCorrelations(*handles[0]->model, partners, tokens, inputs.options, control));
  control.OnStage("storing");
  HOMOLOG_RETURN_IF_ERROR(CheckUnchanged(*context.store, inputs.dataset));
  return context.store->PutResult(
      kCorrelations, inputs.id, Manifest(inputs, result, operation, stopwatch).SerializeAsString(),
      results::EncodeColumns(result));
}

}  // namespace

absl::StatusOr<Job> PrepareCorrelation(const AnalysisContext& context,
                                       const v1::ComputeCorrelationsRequest& request) {
  HOMOLOG_ASSIGN_OR_RETURN(CorrelationInputs validated, ValidateCorrelation(context, request));
  const auto inputs = std::make_shared<const CorrelationInputs>(std::move(validated));
  Job job;
  job.kind = std::string(kCorrelationKind);
  job.result = FormatName(kCorrelations, inputs->id);
  job.request = request.SerializeAsString();
  job.run = [context, inputs](const std::string& operation, analysis::RunControl& control) {
    return Run(context, *inputs, operation, control);
  };
  return job;
}

}  // namespace homolog::operations
