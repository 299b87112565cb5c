#include "server/analysis/ablation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/error.h"
#include "server/analysis/distribution_effect.h"
#include "server/analysis/random.h"
#include "server/engine/torch_errors.h"

namespace homolog::analysis {
namespace {

constexpr int64_t kBatchPositions = 2048;

// Per layer, 1 where a neuron stays and 0 where it is taken out; layers without ablation are
// absent.
class ZeroEdit {
 public:
  ZeroEdit(const NeuronSet& set, const engine::ModelShape& shape, at::Device device) {
    std::map<int64_t, std::vector<int64_t>> by_layer;
    for (const int64_t neuron : set) by_layer[neuron / shape.d_mlp].push_back(neuron % shape.d_mlp);
    for (const auto& [layer, neurons] : by_layer) {
      const at::Tensor index = at::tensor(neurons, at::kLong);
      masks_[layer] = at::zeros({shape.d_mlp}, at::kBool).index_fill_(0, index, 1).to(device);
    }
  }

  at::Tensor operator()(int64_t layer, const at::Tensor& mlp_post) const {
    const auto mask = masks_.find(layer);
    return mask == masks_.end() ? mlp_post : mlp_post.masked_fill(mask->second, 0);
  }

 private:
  std::map<int64_t, at::Tensor> masks_;  // true: taken out
};

absl::Status NonFiniteLoss(absl::string_view when) {
  return FailedPrecondition("NON_FINITE_LOSS",
                            absl::StrCat("the model's loss is infinite or not a number ", when,
                                         "; it must be finite: check the weights"));
}

class ZeroAblation {
 public:
  ZeroAblation(const engine::Model& model, const std::vector<NeuronSet>& sets)
      : model_(model), sums_(sets.size()) {
    for (const NeuronSet& set : sets) {
      edits_.emplace_back(set, model.description().shape, model.device());
    }
  }

  absl::Status AddBatch(const at::Tensor& cpu_tokens, RunControl& control) {
    const at::Tensor tokens = cpu_tokens.to(model_.device());
    std::vector<at::Tensor> hidden;  // of the clean pass, then of every set
    hidden.push_back(model_.Hidden(tokens, {}));
    control.OnTokens(tokens.numel());
    for (const ZeroEdit& edit : edits_) {
      HOMOLOG_RETURN_IF_ERROR(control.Check());
      engine::ForwardOptions options;
      options.edit = [&](int64_t layer, const at::Tensor& post) { return edit(layer, post); };
      hidden.push_back(model_.Hidden(tokens, options));
      control.OnTokens(tokens.numel());
    }
    return CompareDistributions(model_, tokens, hidden, clean_, sums_, control);
  }

  absl::StatusOr<AblationResult> Result(const std::vector<NeuronSet>& sets) const {
    AblationResult result;
    result.predicted_positions = clean_.predicted;
    result.clean_loss = clean_.loss / static_cast<double>(clean_.predicted);
    if (!std::isfinite(result.clean_loss)) return NonFiniteLoss("without ablation");
    for (size_t i = 0; i < sets.size(); ++i) {
      const auto positions = static_cast<double>(clean_.positions);
      result.effects.push_back({static_cast<int64_t>(sets[i].size()),
                                sums_[i].loss / static_cast<double>(clean_.predicted),
                                sums_[i].kl / positions, sums_[i].entropy_change / positions,
                                sums_[i].top1_agreement / positions});
      const AblationEffect& effect = result.effects.back();
      if (!std::isfinite(effect.ablated_loss + effect.kl + effect.entropy_change)) {
        return NonFiniteLoss(absl::StrCat("with neuron set ", i, " taken out"));
      }
    }
    return result;
  }

 private:
  const engine::Model& model_;
  std::vector<ZeroEdit> edits_;
  CleanSums clean_;
  std::vector<EffectSums> sums_;
};

// Every number of an effect, combined over effects.
template <typename Combine>
AblationEffect CombineEffects(const std::vector<AblationEffect>& effects, Combine combine) {
  auto field = [&](auto member) {
    std::vector<double> values;
    for (const AblationEffect& effect : effects) {
      values.push_back(static_cast<double>(effect.*member));
    }
    return combine(values);
  };
  if (effects.empty()) return {};
  return {effects[0].neuron_count, field(&AblationEffect::ablated_loss), field(&AblationEffect::kl),
          field(&AblationEffect::entropy_change), field(&AblationEffect::top1_agreement)};
}

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double Deviation(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  const double mean = Mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

}  // namespace

absl::StatusOr<AblationResult> RunZeroAblation(const engine::Model& model,
                                               const std::vector<NeuronSet>& sets,
                                               const TokenSequences& tokens, RunControl& control) {
  return engine::CatchTorch([&]() -> absl::StatusOr<AblationResult> {
    const at::NoGradGuard no_grad;
    const int64_t positions = tokens.sequence_count() * tokens.sequence_length();
    if (positions == 0 || tokens.sequence_length() < 2) {
      return FailedPrecondition(
          "TOO_FEW_POSITIONS",
          absl::StrCat(tokens.sequence_count(), " sequences of ", tokens.sequence_length(),
                       " tokens predict nothing; needed is at least 1 sequence of 2"));
    }
    control.OnTotalTokens(positions * static_cast<int64_t>(sets.size() + 1));
    control.OnStage("ablating");
    ZeroAblation ablation(model, sets);
    const int64_t batch = SequencesPerBatch(tokens, kBatchPositions);
    for (int64_t first = 0; first < tokens.sequence_count(); first += batch) {
      HOMOLOG_RETURN_IF_ERROR(control.Check());
      const int64_t count = std::min(batch, tokens.sequence_count() - first);
      HOMOLOG_ASSIGN_OR_RETURN(const at::Tensor block, tokens.Read(first, count));
      HOMOLOG_RETURN_IF_ERROR(ablation.AddBatch(block, control));
    }
    return ablation.Result(sets);
  });
}

NeuronSet RandomNeurons(int64_t neurons, int64_t count, uint64_t seed, int64_t draw) {
  // The neurons with the `count` smallest random keys: every set is equally likely.
  const uint64_t key = RandomKey({seed, static_cast<uint64_t>(draw)});
  std::vector<std::pair<uint64_t, int64_t>> keyed(neurons);
  for (int64_t i = 0; i < neurons; ++i) keyed[i] = {RandomBits(key, static_cast<uint64_t>(i)), i};
  std::nth_element(keyed.begin(), keyed.begin() + count, keyed.end());
  NeuronSet set;
  for (int64_t i = 0; i < count; ++i) set.push_back(keyed[i].second);
  std::sort(set.begin(), set.end());
  return set;
}

AblationEffect MeanEffect(const std::vector<AblationEffect>& effects) {
  return CombineEffects(effects, Mean);
}

AblationEffect EffectDeviation(const std::vector<AblationEffect>& effects) {
  return CombineEffects(effects, Deviation);
}

}  // namespace homolog::analysis
