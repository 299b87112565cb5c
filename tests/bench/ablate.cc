// homolog-bench ablate: the ablation of a set layer by layer, beside every layer from scratch.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "common/error.h"
#include "server/analysis/ablation.h"
#include "server/analysis/distribution_effect.h"
#include "server/engine/torch_errors.h"
#include "tests/bench/benchmark.h"
#include "tests/bench/model_flags.h"
#include "tests/bench/random_model.h"
#include "tests/bench/timing.h"

namespace homolog::bench {
namespace {

struct Flags {
  ModelFlags model;
  int64_t per_layer = 50;  // neurons of the set in each layer
};

// The set cut to every layer.
std::vector<analysis::NeuronSet> LayerSets(const engine::ModelShape& shape, int64_t per_layer) {
  std::vector<analysis::NeuronSet> sets;
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    analysis::NeuronSet set = analysis::RandomNeurons(shape.d_mlp, per_layer, /*seed=*/1, layer);
    for (int64_t& neuron : set) neuron += layer * shape.d_mlp;
    sets.push_back(std::move(set));
  }
  return sets;
}

// Zero ablation of one set after the other as one would write it: a whole pass for each, and a
// clean pass for each, too, unless `share_clean`. Returns the mean KL of every set.
absl::StatusOr<std::vector<double>> FromScratch(const engine::Model& model,
                                                const std::vector<analysis::NeuronSet>& sets,
                                                const at::Tensor& tokens, bool share_clean) {
  const int64_t d_mlp = model.description().shape.d_mlp;
  analysis::RunControl control;
  std::vector<double> kl;
  at::Tensor clean;
  for (const analysis::NeuronSet& set : sets) {
    if (!share_clean || !clean.defined()) clean = model.Hidden(tokens, {});
    at::Tensor mask = at::zeros({model.description().shape.layers, d_mlp}, at::kBool);
    for (const int64_t neuron : set) mask.view({-1})[neuron].fill_(true);
    engine::ForwardOptions options;
    options.edit = [&](int64_t layer, const at::Tensor& post) {
      return layer == set.front() / d_mlp ? post.masked_fill(mask[layer], 0) : post;
    };
    const at::Tensor ablated = model.Hidden(tokens, options);
    HOMOLOG_ASSIGN_OR_RETURN(
        const analysis::BatchSums sums,
        analysis::CompareDistributions(model, tokens, {clean, ablated}, control));
    kl.push_back(sums.effects[0].kl.sum().item<double>() / static_cast<double>(tokens.numel()));
  }
  return kl;
}

absl::StatusOr<std::vector<double>> Ours(const engine::Model& model,
                                         const std::vector<analysis::NeuronSet>& sets,
                                         const MemoryTokens& tokens) {
  analysis::RunControl control;
  HOMOLOG_ASSIGN_OR_RETURN(const analysis::AblationResult result,
                           analysis::RunAblation(model, sets, {}, tokens, control));
  std::vector<double> kl;
  for (const analysis::AblationEffect& effect : result.effects) kl.push_back(effect.kl.mean);
  return kl;
}

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double LargestDifference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

absl::StatusOr<Report> Measure(const Flags& flags, const CommonFlags& common) {
  const engine::ModelShape shape = flags.model.Resolve();
  const auto model = RandomModel(shape, /*seed=*/1);
  if (!model.ok()) return model.status();
  const MemoryTokens tokens =
      RandomTokens(flags.model.sequences, shape.context_length, shape.vocabulary_size, /*seed=*/0);
  HOMOLOG_ASSIGN_OR_RETURN(const at::Tensor block, tokens.Read(0, flags.model.sequences));
  const auto sets = LayerSets(shape, std::min(flags.per_layer, shape.d_mlp));
  std::vector<double> ours, scratch, shared;
  std::vector<double> ours_kl, scratch_kl;
  auto timed = [](std::vector<double>& seconds, auto work) {
    const double start = Now();
    auto kl = work();
    seconds.push_back(Now() - start);
    return kl;
  };
  for (int i = 0; i < common.Repetitions(3); ++i) {  // in turns: the machine's rate wanders
    HOMOLOG_ASSIGN_OR_RETURN(ours_kl, timed(ours, [&] { return Ours(**model, sets, tokens); }));
    HOMOLOG_ASSIGN_OR_RETURN(
        scratch_kl, timed(scratch, [&] { return FromScratch(**model, sets, block, false); }));
    HOMOLOG_RETURN_IF_ERROR(
        timed(shared, [&] { return FromScratch(**model, sets, block, true); }).status());
  }
  const double median = Summarise(ours).median;
  Report report;
  report.rows.push_back({{"model", flags.model.name()},
                         {"layers", shape.layers},
                         {"sets", sets.size()},
                         {"tokens", block.numel()},
                         {"seconds", median},
                         {"scratch_seconds", Summarise(scratch).median},
                         {"shared_clean_seconds", Summarise(shared).median},
                         {"ratio", Summarise(scratch).median / median},
                         {"shared_clean_ratio", Summarise(shared).median / median},
                         {"mean_kl", Mean(ours_kl)},
                         {"max_difference", LargestDifference(ours_kl, scratch_kl)}});
  return report;
}

}  // namespace

Run AddAblate(CLI::App& command) {
  auto flags = std::make_shared<Flags>();
  flags->model.shape.layers = 12;
  flags->model.sequences = 4;
  AddModelFlags(command, flags->model);
  AddSizeFlag(command, "--set-neurons", flags->per_layer, "Neurons of the set in each layer");
  return [flags](const CommonFlags& common) {
    return engine::CatchTorch([&] { return Measure(*flags, common); });
  };
}

}  // namespace homolog::bench
