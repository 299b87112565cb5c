// homolog-bench forward
#include <memory>
#include <string>

#include "server/analysis/activations.h"
#include "server/engine/torch_errors.h"
#include "tests/bench/benchmark.h"
#include "tests/bench/machine_rate.h"
#include "tests/bench/operation_count.h"
#include "tests/bench/random_model.h"

namespace homolog::bench {
namespace {

struct Flags {
  std::string preset;
  engine::ModelShape shape = {.layers = 6,
                              .d_model = 256,
                              .d_mlp = 1024,
                              .heads = 4,
                              .vocabulary_size = 5000,
                              .context_length = 512};
  int64_t sequences = 4;  // a batch
};

constexpr engine::ModelShape kGpt2Small = {.layers = 12,
                                           .d_model = 768,
                                           .d_mlp = 3072,
                                           .heads = 12,
                                           .vocabulary_size = 50257,
                                           .context_length = 1024};

absl::StatusOr<Report> Measure(const Flags& flags, const CommonFlags& common) {
  const bool gpt2_small = flags.preset == "gpt2-small";
  const engine::ModelShape shape = gpt2_small ? kGpt2Small : flags.shape;
  const auto model = RandomModel(shape, /*seed=*/1);
  if (!model.ok()) return model.status();
  const int64_t length = shape.context_length;
  const auto batch =
      RandomTokens(flags.sequences, length, shape.vocabulary_size, 0).Read(0, flags.sequences);
  if (!batch.ok()) return batch.status();

  analysis::ActivationReader reader(**model, engine::Site::kMlpPost);
  const Timing timing = Repeat(common.Repetitions(5), [&] { reader.Read(*batch, {}, 0); });
  const int64_t tokens = batch->numel();
  const double rate = ForwardOperations(shape, tokens, length) / timing.min;
  const double machine = MatrixRate(common.machine_matrix, 5);
  Report report;
  report.rows = {{{"model", gpt2_small ? flags.preset : "flags"},
                  {"layers", shape.layers},
                  {"d_model", shape.d_model},
                  {"neurons", shape.d_mlp},
                  {"precision", "float32"},
                  {"tokens", tokens},
                  {"seconds_min", timing.min},
                  {"seconds_median", timing.median},
                  {"tokens_per_second", static_cast<double>(tokens) / timing.min},
                  {"gflops", rate / 1e9},
                  {"matrix_rate_share", rate / machine}}};
  return report;
}

}  // namespace

Run AddForward(CLI::App& command) {
  auto flags = std::make_shared<Flags>();
  engine::ModelShape& shape = flags->shape;
  auto size = [&](const char* name, int64_t& target, const char* help) {
    command.add_option(name, target, help)->check(CLI::PositiveNumber)->capture_default_str();
  };
  command.add_option("--preset", flags->preset, "A known model's sizes instead of the flags")
      ->check(CLI::IsMember({"gpt2-small"}));
  size("--layers", shape.layers, "Layers");
  size("--d-model", shape.d_model, "Width of the residual stream");
  size("--neurons", shape.d_mlp, "Neurons per layer");
  size("--heads", shape.heads, "Attention heads");
  size("--vocabulary", shape.vocabulary_size, "Token ids");
  size("--sequence-length", shape.context_length, "Tokens per sequence");
  size("--sequences", flags->sequences, "Sequences per batch");
  return [flags](const CommonFlags& common) {
    return engine::CatchTorch([&] { return Measure(*flags, common); });
  };
}

}  // namespace homolog::bench
