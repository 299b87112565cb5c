#include "tests/bench/workload.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace homolog::bench {
namespace {

// As the published method reads its data.
constexpr int64_t kSequenceLength = 512;

constexpr engine::ModelShape kSmall = {.layers = 6,
                                       .d_model = 256,
                                       .d_mlp = 1024,
                                       .heads = 4,
                                       .vocabulary_size = 5000,
                                       .context_length = kSequenceLength};
constexpr engine::ModelShape kGpt2Small = {.layers = 12,
                                           .d_model = 768,
                                           .d_mlp = 3072,
                                           .heads = 12,
                                           .vocabulary_size = 50257,
                                           .context_length = kSequenceLength};

Workload Named(const std::string& name) {
  Workload workload{.name = name, .models = 2, .shape = kSmall, .sequences = 64};
  if (name == "b") {
    workload.models = 5;
    workload.shape.layers = 4;
    workload.sequences = 32;
  } else if (name == "c") {
    workload.shape = kGpt2Small;
    workload.sequences = 4;
    workload.has_peer = false;
  }
  return workload;
}

void Override(int64_t typed, int64_t& value) {
  if (typed > 0) value = typed;
}

}  // namespace

void AddWorkloadFlags(CLI::App& command, WorkloadFlags& flags) {
  command.add_option("--shape", flags.shape, "a, b or c")
      ->check(CLI::IsMember({"a", "b", "c"}))
      ->capture_default_str();
  auto size = [&](const char* name, int64_t& target, const char* help) {
    command.add_option(name, target, std::string(help) + " instead of the shape's")
        ->check(CLI::PositiveNumber);
  };
  command.add_option("--models", flags.models, "Models instead of the shape's")
      ->check(CLI::Range(2, 100));
  size("--layers", flags.layers, "Layers per model");
  size("--neurons", flags.neurons, "Neurons per layer");
  size("--tokens", flags.tokens, "Tokens");
  size("--sequence-length", flags.sequence_length, "Tokens per sequence");
}

absl::StatusOr<Workload> ResolveWorkload(const WorkloadFlags& flags) {
  Workload workload = Named(flags.shape);
  int64_t tokens = workload.tokens();
  Override(flags.models, workload.models);
  Override(flags.layers, workload.shape.layers);
  Override(flags.neurons, workload.shape.d_mlp);
  Override(flags.sequence_length, workload.shape.context_length);
  Override(flags.tokens, tokens);
  workload.sequences = tokens / workload.shape.context_length;
  if (workload.sequences > 0) return workload;
  return absl::InvalidArgumentError(
      absl::StrCat("--tokens is ", tokens, "; one sequence takes ", workload.shape.context_length));
}

std::vector<const engine::Model*> BuiltWorkload::PartnersOf(size_t reference) const {
  std::vector<const engine::Model*> partners;
  for (size_t i = 0; i < models.size(); ++i) {
    if (i != reference) partners.push_back(models[i].get());
  }
  return partners;
}

absl::StatusOr<BuiltWorkload> Build(const Workload& workload) {
  BuiltWorkload built{{},
                      RandomTokens(workload.sequences, workload.shape.context_length,
                                   workload.shape.vocabulary_size, /*seed=*/0)};
  for (int64_t i = 0; i < workload.models; ++i) {
    auto model = RandomModel(workload.shape, /*seed=*/static_cast<uint64_t>(i) + 1);
    if (!model.ok()) return model.status();
    built.models.push_back(*std::move(model));
  }
  return built;
}

}  // namespace homolog::bench
