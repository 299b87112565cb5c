#include "tests/bench/model_flags.h"

#include "tests/bench/random_model.h"

namespace homolog::bench {

std::string ModelFlags::name() const { return preset.empty() ? "flags" : preset; }

engine::ModelShape ModelFlags::Resolve() const { return preset.empty() ? shape : kGpt2Small; }

void AddSizeFlag(CLI::App& command, const char* name, int64_t& value, const char* help) {
  command.add_option(name, value, help)->check(CLI::PositiveNumber)->capture_default_str();
}

void AddShapeFlags(CLI::App& command, engine::ModelShape& shape) {
  AddSizeFlag(command, "--layers", shape.layers, "Layers");
  AddSizeFlag(command, "--d-model", shape.d_model, "Width of the residual stream");
  AddSizeFlag(command, "--neurons", shape.d_mlp, "Neurons per layer");
  AddSizeFlag(command, "--heads", shape.heads, "Attention heads");
  AddSizeFlag(command, "--vocabulary", shape.vocabulary_size, "Token ids");
}

void AddModelFlags(CLI::App& command, ModelFlags& flags) {
  command.add_option("--preset", flags.preset, "A known model's sizes instead of the flags")
      ->check(CLI::IsMember({"gpt2-small"}));
  AddShapeFlags(command, flags.shape);
  AddSizeFlag(command, "--sequence-length", flags.shape.context_length, "Tokens per sequence");
  AddSizeFlag(command, "--sequences", flags.sequences, "Sequences per batch");
}

}  // namespace homolog::bench
