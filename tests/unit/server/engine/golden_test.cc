// Every model family against Hugging Face transformers in float64, on the CPU and on a CUDA device
// where there is one.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "server/engine/model.h"
#include "tests/unit/server/engine/golden.h"
#include "tests/unit/server/engine/measures.h"

namespace homolog::engine {
namespace {

constexpr double kTolerance = 5e-5;

class GoldenTest : public ::testing::TestWithParam<std::tuple<const char*, const char*>> {
 protected:
  void ExpectActivations(Site site, const std::string& name) {
    int64_t seen = 0;
    ForwardOptions options;
    options.tap_site = site;
    options.tap = [&](int64_t layer, const at::Tensor& activations) {
      EXPECT_EQ(layer, seen++) << "layers come in ascending order";
      EXPECT_LT(LargestDifference(activations, Expected(name + "." + std::to_string(layer))),
                kTolerance)
          << name << " of layer " << layer;
    };
    model_->Hidden(tokens_, options);
    EXPECT_EQ(seen, model_->description().shape.layers);
  }

  at::Tensor Expected(const std::string& name) const { return expected_.at(name).to(device_); }

  const at::Device device_ = at::Device(std::get<1>(GetParam()));
  const std::string folder_ = homolog::testing::GoldenFolder() + "/" + std::get<0>(GetParam());
  const std::unique_ptr<Model> model_ = homolog::testing::ReadModel(folder_, device_);
  const homolog::testing::Tensors expected_ =
      homolog::testing::ReadTensors(folder_ + "/expected.safetensors");
  const at::Tensor tokens_ = Expected("tokens");
};

TEST_P(GoldenTest, ReadsTheNeuronsBeforeTheNonlinearity) {
  ExpectActivations(Site::kMlpPre, "mlp_pre");
}

TEST_P(GoldenTest, ReadsTheNeuronsAfterTheNonlinearity) {
  ExpectActivations(Site::kMlpPost, "mlp_post");
}

TEST_P(GoldenTest, GivesTheLogits) {
  const at::Tensor logits = model_->Logits(model_->Hidden(tokens_, {}));
  EXPECT_LT(LargestDifference(logits, Expected("logits")), kTolerance);
}

TEST_P(GoldenTest, GivesTheLossOfEveryToken) {
  const at::Tensor loss = TokenLoss(LogProbabilities(*model_, tokens_, {}), tokens_);
  EXPECT_LT(LargestDifference(loss, Expected("loss")), kTolerance);
}

TEST_P(GoldenTest, GivesLossAndDivergenceOfAnAblation) {
  const at::Tensor clean = LogProbabilities(*model_, tokens_, {});
  ForwardOptions options;
  options.edit = ZeroNeurons(Expected("ablated_neurons"));
  const at::Tensor ablated = LogProbabilities(*model_, tokens_, options);
  EXPECT_LT(LargestDifference(TokenLoss(ablated, tokens_), Expected("ablated_loss")), kTolerance);
  const at::Tensor divergence = (clean.exp() * (clean - ablated)).sum(-1);
  EXPECT_LT(LargestDifference(divergence, Expected("kl")), kTolerance);
}

TEST_P(GoldenTest, GivesTheLogitsOfAnyRowsOfTheHiddenState) {
  const at::Tensor rows = model_->Hidden(tokens_, {}).flatten(0, 1).narrow(0, 5, 7);
  const at::Tensor expected = Expected("logits").flatten(0, 1).narrow(0, 5, 7);
  EXPECT_LT(LargestDifference(model_->Logits(rows), expected), kTolerance);
}

TEST_P(GoldenTest, WritesTheNeuronsWhereTheyAreWanted) {
  const ModelShape& shape = model_->description().shape;
  for (const auto& [site, name] :
       {std::pair(Site::kMlpPre, "mlp_pre."), std::pair(Site::kMlpPost, "mlp_post.")}) {
    const at::Tensor wide =
        at::zeros({tokens_.numel(), shape.neurons()}, at::TensorOptions().device(device_));
    ForwardOptions options;
    options.tap_site = site;
    options.destination = [&](int64_t layer) {
      return wide.narrow(1, layer * shape.d_mlp, shape.d_mlp);
    };
    const at::Tensor hidden = model_->Hidden(tokens_, options);
    for (int64_t layer = 0; layer < shape.layers; ++layer) {
      EXPECT_LT(LargestDifference(options.destination(layer),
                                  Expected(name + std::to_string(layer)).flatten(0, 1)),
                kTolerance)
          << name << layer;
    }
    EXPECT_LT(LargestDifference(model_->Logits(hidden), Expected("logits")), kTolerance);
  }
}

std::vector<const char*> Devices() {
  return at::hasCUDA() ? std::vector<const char*>{"cpu", "cuda:0"}
                       : std::vector<const char*>{"cpu"};
}

INSTANTIATE_TEST_SUITE_P(Transformers, GoldenTest,
                         ::testing::Combine(::testing::Values("gpt2", "gpt2_scaled_attention",
                                                              "gpt2_relu_wide_mlp", "gpt_neox"),
                                            ::testing::ValuesIn(Devices())),
                         [](const auto& info) {
                           const std::string device = std::get<1>(info.param);
                           return std::string(std::get<0>(info.param)) + "_" +
                                  device.substr(0, device.find(':'));
                         });

}  // namespace
}  // namespace homolog::engine
