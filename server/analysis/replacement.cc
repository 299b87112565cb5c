#include "server/analysis/replacement.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "common/error.h"
#include "server/analysis/random.h"

namespace homolog::analysis {
namespace {

constexpr int64_t kMeanBatchPositions = 2048;

// [sequence * position] rows of the flattened batch: for every position another one of its
// sequence.
at::Tensor OtherPositions(int64_t sequences, int64_t length, int64_t first_sequence,
                          uint64_t seed) {
  at::Tensor rows = at::empty({sequences * length}, at::kLong);
  int64_t* const out = rows.data_ptr<int64_t>();
  for (int64_t s = 0; s < sequences; ++s) {
    const uint64_t key = RandomKey({seed, static_cast<uint64_t>(first_sequence + s)});
    for (int64_t p = 0; p < length; ++p) {
      const auto drawn = static_cast<int64_t>(RandomBits(key, static_cast<uint64_t>(p)) %
                                              static_cast<uint64_t>(length - 1));
      out[s * length + p] = s * length + drawn + (drawn >= p ? 1 : 0);
    }
  }
  return rows;
}

}  // namespace

AblatedNeurons::AblatedNeurons(const NeuronSet& set, const engine::ModelShape& shape,
                               at::Device device) {
  std::map<int64_t, std::vector<int64_t>> by_layer;
  for (const int64_t neuron : set) by_layer[neuron / shape.d_mlp].push_back(neuron % shape.d_mlp);
  for (const auto& [layer, neurons] : by_layer) {
    const at::Tensor index = at::tensor(neurons, at::kLong);
    masks_[layer] = at::zeros({shape.d_mlp}, at::kBool).index_fill_(0, index, 1).to(device);
  }
}

const at::Tensor* AblatedNeurons::Mask(int64_t layer) const {
  const auto mask = masks_.find(layer);
  return mask == masks_.end() ? nullptr : &mask->second;
}

Replacement::Replacement(const engine::Model& model, const AblationOptions& options,
                         std::set<int64_t> layers)
    : model_(model), options_(options), layers_(std::move(layers)) {}

int64_t Replacement::BytesPerPosition(const engine::ModelShape& shape, AblationKind kind) {
  return kind == AblationKind::kResample ? shape.neurons() * static_cast<int64_t>(sizeof(float))
                                         : 0;
}

absl::Status Replacement::Prepare(const TokenSequences& tokens, RunControl& control) {
  if (options_.kind != AblationKind::kMean || layers_.empty()) return absl::OkStatus();
  HOMOLOG_RETURN_IF_ERROR(SumActivations(tokens, control));
  const auto positions = static_cast<double>(tokens.sequence_count() * tokens.sequence_length());
  for (auto& [layer, sum] : by_layer_) sum = (sum / positions).to(at::kFloat);
  return absl::OkStatus();
}

absl::Status Replacement::SumActivations(const TokenSequences& tokens, RunControl& control) {
  control.OnStage("averaging activations");
  engine::ForwardOptions options;
  options.last_layer = *layers_.rbegin();
  options.tap = [this](int64_t layer, const at::Tensor& activations) {
    if (layers_.count(layer) == 0) return;
    const at::Tensor sum = activations.flatten(0, 1).sum(0, /*keepdim=*/false, at::kDouble);
    at::Tensor& total = by_layer_[layer];
    total = total.defined() ? total.add_(sum) : sum;
  };
  const int64_t batch = SequencesPerBatch(tokens, kMeanBatchPositions);
  for (int64_t first = 0; first < tokens.sequence_count(); first += batch) {
    HOMOLOG_RETURN_IF_ERROR(control.Check());
    const int64_t count = std::min(batch, tokens.sequence_count() - first);
    HOMOLOG_ASSIGN_OR_RETURN(const at::Tensor block, tokens.Read(first, count));
    model_.Hidden(block.to(model_.device()), options);
    control.OnTokens(block.numel());
  }
  return absl::OkStatus();
}

void Replacement::SetBatch(const at::Tensor& tokens, int64_t first_sequence, RunControl& control) {
  if (options_.kind != AblationKind::kResample || layers_.empty()) return;
  const at::Tensor rows =
      OtherPositions(tokens.size(0), tokens.size(1), first_sequence, options_.seed)
          .to(tokens.device());
  engine::ForwardOptions options;
  options.last_layer = *layers_.rbegin();
  options.tap = [&](int64_t layer, const at::Tensor& activations) {
    if (layers_.count(layer) == 0) return;
    by_layer_[layer] = activations.flatten(0, 1).index_select(0, rows).view(activations.sizes());
  };
  model_.Hidden(tokens, options);
  control.OnTokens(tokens.numel());
}

at::Tensor Replacement::Instead(int64_t layer, const at::Tensor& mlp_post) const {
  switch (options_.kind) {
    case AblationKind::kZero:
      return at::zeros({}, mlp_post.options());
    case AblationKind::kFixed:
      return at::full({}, options_.value, mlp_post.options());
    case AblationKind::kThreshold:
      return mlp_post.clamp_max(options_.value);
    case AblationKind::kMean:
    case AblationKind::kResample:
      break;
  }
  return by_layer_.at(layer).to(mlp_post.scalar_type());
}

at::Tensor Replacement::Apply(int64_t layer, const at::Tensor& mask,
                              const at::Tensor& mlp_post) const {
  if (options_.kind == AblationKind::kZero) return mlp_post.masked_fill(mask, 0);
  return at::where(mask, Instead(layer, mlp_post), mlp_post);
}

}  // namespace homolog::analysis
