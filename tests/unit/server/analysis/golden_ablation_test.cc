// Ablation of real models against numbers made by Hugging Face transformers in float64
// (tests/golden/generate.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "common/safetensors.h"
#include "fake_model.h"
#include "server/analysis/ablation.h"
#include "server/engine/architecture.h"

namespace homolog::analysis {
namespace {

std::string Bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

engine::Weights Tensors(const std::string& path) {
  const std::string file = Bytes(path);
  const auto header = ParseSafetensors(file);
  EXPECT_TRUE(header.ok()) << header.status();
  engine::Weights tensors;
  for (const SafetensorsEntry& entry : header->entries) {
    at::Tensor tensor =
        at::empty(entry.shape, entry.dtype == SafetensorsDtype::kI64 ? at::kLong : at::kFloat);
    std::memcpy(tensor.data_ptr(), file.data() + entry.begin, entry.size);
    tensors[entry.name] = tensor;
  }
  return tensors;
}

class GoldenAblationTest : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenAblationTest, MatchesTransformers) {
  const std::string folder =
      std::string(std::getenv("HOMOLOG_TEST_DATA")) + "/golden/" + GetParam();
  const auto architecture =
      engine::ParseArchitecture(nlohmann::json::parse(Bytes(folder + "/config.json")));
  ASSERT_TRUE(architecture.ok()) << architecture.status();
  engine::Weights weights;
  for (const auto& [name, tensor] : Tensors(folder + "/model.safetensors")) {
    if (const auto canonical = (*architecture)->CanonicalName(name)) weights[*canonical] = tensor;
  }
  const std::unique_ptr<engine::Model> model = (*architecture)->Build(std::move(weights));
  engine::Weights expected = Tensors(folder + "/expected.safetensors");

  const at::Tensor tokens = expected["tokens"], neurons = expected["ablated_neurons"];
  const FakeTokens stream(
      std::vector<int64_t>(tokens.data_ptr<int64_t>(), tokens.data_ptr<int64_t>() + tokens.numel()),
      tokens.size(1));
  NeuronSet set;
  for (int64_t i = 0; i < neurons.size(0); ++i) {
    set.push_back(neurons[i][0].item<int64_t>() * model->description().shape.d_mlp +
                  neurons[i][1].item<int64_t>());
  }
  std::sort(set.begin(), set.end());
  RunControl control;
  const auto result = RunAblation(*model, {set}, {}, stream, control);
  ASSERT_TRUE(result.ok()) << result.status();

  auto mean = [&](const char* name) { return expected[name].mean(at::kDouble).item<double>(); };
  EXPECT_NEAR(result->clean_loss.mean, mean("loss"), 5e-5);
  EXPECT_NEAR(result->effects[0].ablated_loss.mean, mean("ablated_loss"), 5e-5);
  EXPECT_NEAR(result->effects[0].kl.mean, mean("kl"), 5e-5);
  RecordProperty("ablated_loss_error",
                 std::to_string(result->effects[0].ablated_loss.mean - mean("ablated_loss")));
  RecordProperty("kl_error", std::to_string(result->effects[0].kl.mean - mean("kl")));
}

INSTANTIATE_TEST_SUITE_P(Transformers, GoldenAblationTest,
                         ::testing::Values("gpt2", "gpt2_scaled_attention", "gpt2_relu_wide_mlp",
                                           "gpt_neox"));

}  // namespace
}  // namespace homolog::analysis
