#include "server/analysis/ablation.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/error.h"
#include "server/analysis/distribution_effect.h"
#include "server/analysis/replacement.h"
#include "server/engine/torch_errors.h"

namespace homolog::analysis {
namespace {

// Positions read at once, and positions of all sets together that go through the model as one
// batch: products are at full speed from there on.
constexpr int64_t kBatchPositions = 2048, kResumedPositions = 8192;
// Final residual streams, and what a replacement keeps, of one batch.
constexpr int64_t kBatchBytes = int64_t{512} << 20;

absl::Status NonFiniteLoss(absl::string_view when) {
  return FailedPrecondition("NON_FINITE_LOSS",
                            absl::StrCat("the model's loss is infinite or not a number ", when,
                                         "; it must be finite: check the weights"));
}

int64_t StreamBytes(const engine::ModelShape& shape) {
  return shape.d_model * static_cast<int64_t>(sizeof(float));
}

// Sets that are measured together; at least 1.
int64_t SetsPerPass(const engine::ModelShape& shape, int64_t sequence_length) {
  return std::max<int64_t>(1, kBatchBytes / (StreamBytes(shape) * sequence_length) - 1);
}

// Sequences read at once for so many sets.
int64_t BatchSequences(const engine::ModelShape& shape, AblationKind kind, int64_t sets,
                       int64_t sequence_length) {
  const int64_t per_position =
      StreamBytes(shape) * (sets + 1) + Replacement::BytesPerPosition(shape, kind);
  const int64_t positions = std::min(kBatchPositions, kBatchBytes / per_position);
  return std::max<int64_t>(1, positions / sequence_length);
}

// The sums of one set, sequence by sequence.
struct EffectEstimates {
  RunningEstimate loss, loss_increase, kl, entropy_change, top1_agreement;
};

// Some sets over the whole data set.
class SetsInOnePass {
 public:
  SetsInOnePass(const engine::Model& model, const std::vector<NeuronSet>& sets,
                const AblationOptions& options, RunControl& control)
      : model_(model),
        control_(control),
        replacement_(model, options, Layers(sets, model.description().shape)) {
    for (size_t i = 0; i < sets.size(); ++i) {
      neurons_.emplace_back(sets[i], model.description().shape, model.device());
      beginning_[neurons_[i].first_layer()].push_back(i);
    }
    estimates_.resize(sets.size());
  }

  absl::Status Run(const TokenSequences& tokens, int64_t batch_sequences) {
    HOMOLOG_RETURN_IF_ERROR(replacement_.Prepare(tokens, control_));
    control_.OnStage("ablating");
    for (int64_t first = 0; first < tokens.sequence_count(); first += batch_sequences) {
      HOMOLOG_RETURN_IF_ERROR(control_.Check());
      const int64_t count = std::min(batch_sequences, tokens.sequence_count() - first);
      HOMOLOG_ASSIGN_OR_RETURN(const at::Tensor block, tokens.Read(first, count));
      HOMOLOG_RETURN_IF_ERROR(AddBatch(block.to(model_.device()), first));
    }
    return absl::OkStatus();
  }

  Estimate clean_loss() const { return clean_loss_.Result(); }
  const std::vector<EffectEstimates>& estimates() const { return estimates_; }

 private:
  static std::set<int64_t> Layers(const std::vector<NeuronSet>& sets,
                                  const engine::ModelShape& shape) {
    std::set<int64_t> layers;
    for (const NeuronSet& set : sets) {
      for (const int64_t neuron : set) layers.insert(neuron / shape.d_mlp);
    }
    return layers;
  }
  absl::Status AddBatch(const at::Tensor& tokens, int64_t first_sequence) {
    replacement_.SetBatch(tokens, first_sequence, control_);
    std::vector<at::Tensor> hidden(neurons_.size() + 1);
    absl::Status status;
    engine::ForwardOptions options;
    options.state_tap = [&](const engine::PassState& state) {
      if (status.ok()) status = Fork(state, hidden);
    };
    hidden[0] = model_.Hidden(tokens, options);
    control_.OnTokens(tokens.numel());
    HOMOLOG_RETURN_IF_ERROR(status);
    // A set of no neurons changes nothing.
    for (at::Tensor& of_set : hidden) {
      if (!of_set.defined()) of_set = hidden[0];
    }
    HOMOLOG_ASSIGN_OR_RETURN(const BatchSums sums,
                             CompareDistributions(model_, tokens, hidden, control_));
    AddSums(sums, tokens.size(1));
    return absl::OkStatus();
  }

  // Ends the passes of all sets that begin in the state's layer.
  absl::Status Fork(const engine::PassState& state, std::vector<at::Tensor>& hidden) {
    const auto beginning = beginning_.find(state.layer);
    if (beginning == beginning_.end()) return absl::OkStatus();
    const std::vector<size_t>& sets = beginning->second;
    const size_t at_once =
        static_cast<size_t>(std::max<int64_t>(1, kResumedPositions / state.residual.size(0)));
    for (size_t first = 0; first < sets.size(); first += at_once) {
      HOMOLOG_RETURN_IF_ERROR(control_.Check());
      const std::vector<size_t> some(
          sets.begin() + static_cast<int64_t>(first),
          sets.begin() + static_cast<int64_t>(std::min(first + at_once, sets.size())));
      EndPasses(state, some, hidden);
    }
    return absl::OkStatus();
  }

  // The sets go through the layers after the state's as one batch.
  void EndPasses(const engine::PassState& state, const std::vector<size_t>& sets,
                 std::vector<at::Tensor>& hidden) {
    const int64_t batch = state.mlp_post.size(0);
    const std::vector<at::Tensor> posts(sets.size(), state.mlp_post);
    engine::PassState together{state.layer,
                               state.residual.repeat({static_cast<int64_t>(sets.size()), 1}),
                               at::cat(Edited(state.layer, sets, posts), 0)};
    engine::ForwardOptions options;
    options.edit = [&](int64_t layer, const at::Tensor& mlp_post) {
      const bool any = std::any_of(sets.begin(), sets.end(), [&](size_t set) {
        return neurons_[set].Mask(layer) != nullptr;
      });
      return any ? at::cat(Edited(layer, sets, mlp_post.split(batch, 0)), 0) : mlp_post;
    };
    const at::Tensor ended = model_.Resume(together, options);
    for (size_t i = 0; i < sets.size(); ++i) {
      hidden[sets[i] + 1] = ended.narrow(0, static_cast<int64_t>(i) * batch, batch);
    }
    control_.OnTokens(static_cast<int64_t>(sets.size()) * state.residual.size(0));
  }

  // posts: one per set.
  std::vector<at::Tensor> Edited(int64_t layer, const std::vector<size_t>& sets,
                                 const std::vector<at::Tensor>& posts) const {
    std::vector<at::Tensor> edited;
    for (size_t i = 0; i < sets.size(); ++i) {
      const at::Tensor* mask = neurons_[sets[i]].Mask(layer);
      edited.push_back(mask == nullptr ? posts[i] : replacement_.Apply(layer, *mask, posts[i]));
    }
    return edited;
  }

  void AddSums(const BatchSums& sums, int64_t length) {
    const auto predicted = static_cast<double>(length - 1), positions = static_cast<double>(length);
    const at::Tensor clean = sums.clean.loss.cpu();
    auto add = [](const at::Tensor& values, double divisor, RunningEstimate& estimate) {
      const at::Tensor on_cpu = values.cpu();
      for (int64_t i = 0; i < on_cpu.numel(); ++i) {
        estimate.Add(on_cpu.data_ptr<double>()[i] / divisor);
      }
    };
    add(clean, predicted, clean_loss_);
    for (size_t i = 0; i < estimates_.size(); ++i) {
      const EffectSums& effect = sums.effects[i];
      add(effect.loss, predicted, estimates_[i].loss);
      add(effect.loss.cpu() - clean, predicted, estimates_[i].loss_increase);
      add(effect.kl, positions, estimates_[i].kl);
      add(effect.entropy_change, positions, estimates_[i].entropy_change);
      add(effect.top1_agreement, positions, estimates_[i].top1_agreement);
    }
  }

  const engine::Model& model_;
  RunControl& control_;
  Replacement replacement_;
  std::vector<AblatedNeurons> neurons_;               // by set
  std::map<int64_t, std::vector<size_t>> beginning_;  // sets by their first layer
  RunningEstimate clean_loss_;
  std::vector<EffectEstimates> estimates_;
};

absl::StatusOr<AblationEffect> Effect(const EffectEstimates& estimates, const NeuronSet& set,
                                      size_t number) {
  const AblationEffect effect = {
      static_cast<int64_t>(set.size()),  estimates.loss.Result(),
      estimates.loss_increase.Result(),  estimates.kl.Result(),
      estimates.entropy_change.Result(), estimates.top1_agreement.Result()};
  if (!std::isfinite(effect.ablated_loss.mean + effect.kl.mean + effect.entropy_change.mean)) {
    return NonFiniteLoss(
        absl::StrCat("with draw or layer number ", number, " of the sets replaced"));
  }
  return effect;
}

constexpr Estimate AblationEffect::*kEstimates[] = {
    &AblationEffect::ablated_loss, &AblationEffect::loss_increase, &AblationEffect::kl,
    &AblationEffect::entropy_change, &AblationEffect::top1_agreement};

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

// One number of every effect.
std::vector<double> Numbers(const std::vector<AblationEffect>& effects,
                            Estimate AblationEffect::*estimate, double Estimate::*number) {
  std::vector<double> numbers;
  for (const AblationEffect& effect : effects) numbers.push_back(effect.*estimate.*number);
  return numbers;
}

}  // namespace

int64_t AblationPositions(const engine::ModelShape& shape, AblationKind kind, int64_t sets,
                          int64_t sequence_count, int64_t sequence_length) {
  const int64_t at_once = SetsPerPass(shape, sequence_length);
  const int64_t passes = std::max<int64_t>(1, (sets + at_once - 1) / at_once);
  const bool more = kind == AblationKind::kMean || kind == AblationKind::kResample;
  return sequence_count * sequence_length * (sets + passes * (more && sets > 0 ? 2 : 1));
}

absl::StatusOr<AblationResult> RunAblation(const engine::Model& model,
                                           const std::vector<NeuronSet>& sets,
                                           const AblationOptions& options,
                                           const TokenSequences& tokens, RunControl& control) {
  return engine::CatchTorch([&]() -> absl::StatusOr<AblationResult> {
    const at::NoGradGuard no_grad;
    const engine::ModelShape& shape = model.description().shape;
    const int64_t count = tokens.sequence_count(), length = tokens.sequence_length();
    if (count == 0 || length < 2) {
      return FailedPrecondition(
          "TOO_FEW_POSITIONS",
          absl::StrCat(count, " sequences of ", length,
                       " tokens predict nothing; needed is at least 1 sequence of 2"));
    }
    const auto all = static_cast<int64_t>(sets.size());
    control.OnTotalTokens(AblationPositions(shape, options.kind, all, count, length));
    AblationResult result;
    result.predicted_positions = count * (length - 1);
    const int64_t at_once = SetsPerPass(shape, length);
    for (int64_t first = 0; first == 0 || first < all; first += at_once) {
      const std::vector<NeuronSet> some(sets.begin() + first,
                                        sets.begin() + std::min(all, first + at_once));
      SetsInOnePass pass(model, some, options, control);
      const int64_t batch =
          BatchSequences(shape, options.kind, static_cast<int64_t>(some.size()), length);
      HOMOLOG_RETURN_IF_ERROR(pass.Run(tokens, batch));
      result.clean_loss = pass.clean_loss();
      if (!std::isfinite(result.clean_loss.mean)) return NonFiniteLoss("without ablation");
      for (size_t i = 0; i < some.size(); ++i) {
        HOMOLOG_ASSIGN_OR_RETURN(AblationEffect effect,
                                 Effect(pass.estimates()[i], some[i], result.effects.size()));
        result.effects.push_back(effect);
      }
    }
    return result;
  });
}

AblationEffect MeanEffect(const std::vector<AblationEffect>& effects) {
  AblationEffect mean;
  if (effects.empty()) return mean;
  double neurons = 0;
  for (const AblationEffect& effect : effects) neurons += static_cast<double>(effect.neuron_count);
  mean.neuron_count = std::llround(neurons / static_cast<double>(effects.size()));
  for (const auto estimate : kEstimates) {
    mean.*estimate = {Mean(Numbers(effects, estimate, &Estimate::mean)),
                      Mean(Numbers(effects, estimate, &Estimate::standard_error))};
  }
  return mean;
}

AblationEffect EffectDeviation(const std::vector<AblationEffect>& effects) {
  AblationEffect deviation;
  if (effects.empty()) return deviation;
  for (const auto estimate : kEstimates) {
    (deviation.*estimate).mean = Deviation(Numbers(effects, estimate, &Estimate::mean));
  }
  return deviation;
}

}  // namespace homolog::analysis
