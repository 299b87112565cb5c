#include "tests/bench/random_model.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/safetensors.h"
#include "server/engine/architecture.h"
#include "tests/support/temporary_folder.h"

namespace homolog::bench {
namespace {

constexpr double kDeviation = 0.02;

nlohmann::json Config(const engine::ModelShape& shape) {
  return {{"model_type", "gpt2"},
          {"n_layer", shape.layers},
          {"n_embd", shape.d_model},
          {"n_head", shape.heads},
          {"n_inner", shape.d_mlp},
          {"n_positions", shape.context_length},
          {"vocab_size", shape.vocabulary_size},
          {"activation_function", "gelu_new"}};
}

at::Tensor RandomWeight(const engine::WeightSpec& spec, const at::Generator& random) {
  if (spec.shape.size() > 1) return at::randn(spec.shape, random).mul_(kDeviation);
  const bool norm = spec.name.find("ln_") != std::string::npos;
  return norm && spec.name.ends_with(".weight") ? at::ones(spec.shape) : at::zeros(spec.shape);
}

}  // namespace

absl::StatusOr<std::unique_ptr<engine::Model>> RandomModel(const engine::ModelShape& shape,
                                                           uint64_t seed,
                                                           at::ScalarType precision) {
  const auto architecture = engine::ParseArchitecture(Config(shape));
  if (!architecture.ok()) return architecture.status();
  const at::Generator random = at::detail::createCPUGenerator(seed);
  engine::Weights weights;
  for (const engine::WeightSpec& spec : (*architecture)->weight_specs()) {
    weights[spec.name] = RandomWeight(spec, random).to(precision);
  }
  return (*architecture)->Build(std::move(weights));
}

absl::Status WriteRandomCheckpoint(const std::filesystem::path& folder,
                                   const engine::ModelShape& shape, uint64_t seed) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::unique_ptr<engine::Architecture> architecture,
                           engine::ParseArchitecture(Config(shape)));
  std::filesystem::create_directories(folder);
  homolog::testing::WriteFile(folder / "config.json", Config(shape).dump());
  const std::vector<engine::WeightSpec> specs = architecture->weight_specs();
  std::vector<SafetensorsEntry> entries;
  for (const engine::WeightSpec& spec : specs) {
    entries.push_back({spec.name, SafetensorsDtype::kF32, spec.shape});
  }
  HOMOLOG_ASSIGN_OR_RETURN(
      const std::unique_ptr<SafetensorsWriter> writer,
      SafetensorsWriter::Create((folder / "model.safetensors").string(), entries));
  const at::Generator random = at::detail::createCPUGenerator(seed);
  for (size_t i = 0; i < specs.size(); ++i) {
    const at::Tensor weight = RandomWeight(specs[i], random);
    HOMOLOG_RETURN_IF_ERROR(writer->Write(
        i, 0, {static_cast<const char*>(weight.data_ptr()), static_cast<size_t>(weight.nbytes())}));
  }
  return writer->Finish();
}

MemoryTokens RandomTokens(int64_t sequences, int64_t length, int64_t vocabulary, uint64_t seed) {
  const at::Generator random = at::detail::createCPUGenerator(seed);
  return MemoryTokens(at::randint(vocabulary, {sequences, length}, random, at::kLong));
}

}  // namespace homolog::bench
