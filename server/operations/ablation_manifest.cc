#include "server/operations/ablation_manifest.h"

#include <utility>

#include "common/resource_names.h"

namespace homolog::operations {
namespace {

v1::AblationEffect EffectProto(const analysis::AblationEffect& effect) {
  v1::AblationEffect proto;
  proto.set_neuron_count(effect.neuron_count);
  proto.set_ablated_loss(effect.ablated_loss.mean);
  proto.set_loss_increase(effect.loss_increase.mean);
  proto.set_kl(effect.kl.mean);
  proto.set_entropy_change(effect.entropy_change.mean);
  proto.set_top1_agreement(effect.top1_agreement.mean);
  proto.set_ablated_loss_error(effect.ablated_loss.standard_error);
  proto.set_loss_increase_error(effect.loss_increase.standard_error);
  proto.set_kl_error(effect.kl.standard_error);
  proto.set_entropy_change_error(effect.entropy_change.standard_error);
  proto.set_top1_agreement_error(effect.top1_agreement.standard_error);
  return proto;
}

// Into an Ablation or a LayerEffect. effects: not empty.
template <typename Message>
void WriteEffects(const std::vector<analysis::AblationEffect>& effects, bool random, Message& out) {
  *out.mutable_effect() = EffectProto(analysis::MeanEffect(effects));
  if (effects.size() > 1) {
    *out.mutable_effect_std() = EffectProto(analysis::EffectDeviation(effects));
  }
  if (!random) return;
  for (const analysis::AblationEffect& draw : effects) *out.add_draws() = EffectProto(draw);
}

}  // namespace

MeasuredNeurons::MeasuredNeurons(std::vector<const AblatedSet*> sets,
                                 const engine::ModelShape& shape)
    : sets_(std::move(sets)), shape_(shape) {
  for (const AblatedSet* set : sets_) {
    std::vector<Draws>& draws = draws_.emplace_back();
    if (set->scope != v1::ABLATION_SCOPE_PER_LAYER) {
      draws.push_back(AddDraws(*set, -1));
      continue;
    }
    for (int64_t layer = 0; layer < shape_.layers; ++layer) {
      draws.push_back(AddDraws(*set, layer));
    }
  }
}

MeasuredNeurons::Draws MeasuredNeurons::AddDraws(const AblatedSet& set, int64_t layer) {
  Draws draws{layer, {}};
  for (const analysis::NeuronSet& draw : set.neurons.sets) {
    analysis::NeuronSet cut = layer < 0 ? draw : analysis::CutToLayer(draw, shape_.d_mlp, layer);
    if (cut.empty()) continue;
    draws.places.push_back(measured_.size());
    measured_.push_back(std::move(cut));
  }
  return draws;
}

v1::Ablation MeasuredNeurons::Manifest(size_t set, const analysis::AblationResult& result) const {
  const AblatedSet& ablated = *sets_[set];
  v1::Ablation manifest;
  manifest.set_name(FormatName(kAblations, ablated.id));
  *manifest.mutable_neurons() = ablated.neurons.request;
  manifest.set_scope(ablated.scope);
  manifest.set_clean_loss(result.clean_loss.mean);
  manifest.set_clean_loss_error(result.clean_loss.standard_error);
  manifest.set_predicted_positions(result.predicted_positions);
  for (const Draws& draws : draws_[set]) {
    std::vector<analysis::AblationEffect> effects;
    for (const size_t place : draws.places) effects.push_back(result.effects[place]);
    if (draws.layer < 0) {
      WriteEffects(effects, ablated.neurons.random, manifest);
      continue;
    }
    v1::LayerEffect& of_layer = *manifest.add_layers();
    of_layer.set_layer(static_cast<int32_t>(draws.layer));
    if (!effects.empty()) WriteEffects(effects, ablated.neurons.random, of_layer);
  }
  return manifest;
}

void DescribeAblation(const AblationInputs& inputs, const checkpoints::CheckpointInfo& checkpoint,
                      v1::Ablation& manifest) {
  *manifest.mutable_checkpoint() = ResultCheckpointProto(checkpoint);
  manifest.set_dataset(inputs.dataset.name());
  manifest.set_dataset_sha256(inputs.dataset.sha256());
  manifest.set_kind(inputs.method.kind);
  if (inputs.method.value) manifest.set_value(*inputs.method.value);
  manifest.set_seed(inputs.method.seed);
}

}  // namespace homolog::operations
