#include "server/operations/correlation_manifest.h"

#include <utility>
#include <vector>

#include "common/resource_names.h"
#include "server/analysis/universality.h"

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

}  // namespace

v1::Correlation CorrelationManifest(const Computation& computation, size_t reference,
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
  if (computation.plan) *manifest.mutable_plan() = *computation.plan;
  return manifest;
}

}  // namespace homolog::operations
