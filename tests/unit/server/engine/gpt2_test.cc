// The GPT-2 family against Hugging Face transformers in float64.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/engine/model.h"
#include "tests/unit/server/engine/golden.h"

namespace homolog::engine {
namespace {

constexpr double kTolerance = 5e-5;

double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  if (a.sizes() != b.sizes()) return INFINITY;
  return (a - b).abs().max().item<double>();
}

at::Tensor LogProbabilities(const Model& model, const at::Tensor& tokens,
                            const ForwardOptions& options) {
  return at::log_softmax(model.Logits(model.Hidden(tokens, options)), -1);
}

// Next-token cross-entropy in nats, [batch, position - 1].
at::Tensor TokenLoss(const at::Tensor& log_probabilities, const at::Tensor& tokens) {
  const int64_t predicted = tokens.size(1) - 1;
  const at::Tensor next = tokens.narrow(1, 1, predicted).unsqueeze(-1);
  return -log_probabilities.narrow(1, 0, predicted).gather(-1, next).squeeze(-1);
}

// Sets the neurons [n, 2] of (layer, index) to 0.
Edit ZeroNeurons(const at::Tensor& neurons) {
  return [neurons](int64_t layer, const at::Tensor& post) {
    at::Tensor edited = post.clone();
    for (int64_t i = 0; i < neurons.size(0); ++i) {
      if (neurons[i][0].item<int64_t>() != layer) continue;
      edited.select(-1, neurons[i][1].item<int64_t>()).zero_();
    }
    return edited;
  };
}

class Gpt2GoldenTest : public ::testing::TestWithParam<const char*> {
 protected:
  void ExpectActivations(Site site, const std::string& name) {
    int64_t seen = 0;
    ForwardOptions options;
    options.tap_site = site;
    options.tap = [&](int64_t layer, const at::Tensor& activations) {
      EXPECT_EQ(layer, seen++) << "layers come in ascending order";
      EXPECT_LT(LargestDifference(activations, expected_.at(name + "." + std::to_string(layer))),
                kTolerance)
          << name << " of layer " << layer;
    };
    model_->Hidden(tokens_, options);
    EXPECT_EQ(seen, model_->description().shape.layers);
  }

  const std::string folder_ = homolog::testing::GoldenFolder() + "/" + GetParam();
  const std::unique_ptr<Model> model_ = homolog::testing::ReadModel(folder_);
  const homolog::testing::Tensors expected_ =
      homolog::testing::ReadTensors(folder_ + "/expected.safetensors");
  const at::Tensor tokens_ = expected_.at("tokens");
};

TEST_P(Gpt2GoldenTest, ReadsTheNeuronsBeforeTheNonlinearity) {
  ExpectActivations(Site::kMlpPre, "mlp_pre");
}

TEST_P(Gpt2GoldenTest, ReadsTheNeuronsAfterTheNonlinearity) {
  ExpectActivations(Site::kMlpPost, "mlp_post");
}

TEST_P(Gpt2GoldenTest, GivesTheLogits) {
  const at::Tensor logits = model_->Logits(model_->Hidden(tokens_, {}));
  EXPECT_LT(LargestDifference(logits, expected_.at("logits")), kTolerance);
}

TEST_P(Gpt2GoldenTest, GivesTheLossOfEveryToken) {
  const at::Tensor loss = TokenLoss(LogProbabilities(*model_, tokens_, {}), tokens_);
  EXPECT_LT(LargestDifference(loss, expected_.at("loss")), kTolerance);
}

TEST_P(Gpt2GoldenTest, GivesLossAndDivergenceOfAnAblation) {
  const at::Tensor clean = LogProbabilities(*model_, tokens_, {});
  ForwardOptions options;
  options.edit = ZeroNeurons(expected_.at("ablated_neurons"));
  const at::Tensor ablated = LogProbabilities(*model_, tokens_, options);
  EXPECT_LT(LargestDifference(TokenLoss(ablated, tokens_), expected_.at("ablated_loss")),
            kTolerance);
  const at::Tensor divergence = (clean.exp() * (clean - ablated)).sum(-1);
  EXPECT_LT(LargestDifference(divergence, expected_.at("kl")), kTolerance);
}

TEST_P(Gpt2GoldenTest, GivesTheLogitsOfAnyRowsOfTheHiddenState) {
  const at::Tensor rows = model_->Hidden(tokens_, {}).flatten(0, 1).narrow(0, 5, 7);
  const at::Tensor expected = expected_.at("logits").flatten(0, 1).narrow(0, 5, 7);
  EXPECT_LT(LargestDifference(model_->Logits(rows), expected), kTolerance);
}

INSTANTIATE_TEST_SUITE_P(Golden, Gpt2GoldenTest,
                         ::testing::Values("gpt2", "gpt2_scaled_attention", "gpt2_relu_wide_mlp"),
                         [](const auto& info) { return std::string(info.param); });

class Gpt2Test : public ::testing::Test {
 protected:
  const std::string folder_ = homolog::testing::GoldenFolder() + "/gpt2";
  const std::unique_ptr<Model> model_ = homolog::testing::ReadModel(folder_);
  const at::Tensor tokens_ =
      homolog::testing::ReadTensors(folder_ + "/expected.safetensors").at("tokens");
};

TEST_F(Gpt2Test, DescribesItself) {
  const ModelDescription& description = model_->description();
  EXPECT_EQ(description.family, "gpt2");
  EXPECT_EQ(description.nonlinearity, "gelu_new");
  EXPECT_EQ(description.shape, (ModelShape{3, 48, 192, 4, 101, 32}));
  EXPECT_EQ(description.shape.neurons(), 576);
  EXPECT_EQ(model_->device(), at::Device(at::kCPU));
}

TEST_F(Gpt2Test, StopsAfterTheLastLayerAskedFor) {
  std::vector<int64_t> layers;
  ForwardOptions options;
  options.tap = [&](int64_t layer, const at::Tensor&) { layers.push_back(layer); };
  options.last_layer = 1;
  EXPECT_FALSE(model_->Hidden(tokens_, options).defined());
  EXPECT_THAT(layers, ::testing::ElementsAre(0, 1));
}

TEST_F(Gpt2Test, RunsToTheEndWithoutALastLayer) {
  EXPECT_EQ(model_->Hidden(tokens_, {}).sizes(), at::IntArrayRef({4, 24, 48}));
}

TEST_F(Gpt2Test, TapsWhatTheEditMadeOfTheNeurons) {
  ForwardOptions options;
  options.edit = [](int64_t, const at::Tensor& post) { return at::full_like(post, 7.0); };
  int64_t sevens = 0;
  options.tap = [&](int64_t, const at::Tensor& post) { sevens += post.eq(7.0).all().item<bool>(); };
  model_->Hidden(tokens_, options);
  EXPECT_EQ(sevens, 3);
}

TEST_F(Gpt2Test, LooksOnlyBack) {
  at::Tensor changed = tokens_.clone();
  changed.select(1, 20).copy_((changed.select(1, 20) + 1).remainder(101));
  const at::Tensor before = model_->Hidden(tokens_, {}), after = model_->Hidden(changed, {});
  EXPECT_LT(LargestDifference(before.narrow(1, 0, 20), after.narrow(1, 0, 20)), 1e-6);
  EXPECT_GT(LargestDifference(before.narrow(1, 20, 4), after.narrow(1, 20, 4)), 1e-2);
}

TEST_F(Gpt2Test, TakesAShorterContextThanItsOwn) {
  const at::Tensor whole = model_->Hidden(tokens_, {});
  const at::Tensor part = model_->Hidden(tokens_.narrow(1, 0, 3), {});
  EXPECT_LT(LargestDifference(whole.narrow(1, 0, 3), part), 1e-5);
}

// The gradient of the loss by every weight, against central differences in float64.
TEST_F(Gpt2Test, LetsGradientsReachEveryWeight) {
  const std::unique_ptr<Architecture> architecture = homolog::testing::ReadArchitecture(folder_);
  Weights weights;
  for (const auto& [name, value] : homolog::testing::ReadTensors(folder_ + "/model.safetensors")) {
    if (const auto canonical = architecture->CanonicalName(name)) {
      weights[*canonical] = value.to(at::kDouble).set_requires_grad(true);
    }
  }
  const std::unique_ptr<Model> model = architecture->Build(weights);
  auto loss = [&] { return TokenLoss(LogProbabilities(*model, tokens_, {}), tokens_).mean(); };
  loss().backward();
  const at::NoGradGuard no_grad;
  constexpr double kStep = 1e-5;
  for (auto& [name, weight] : weights) {
    const at::Tensor gradients = weight.grad().flatten();
    const int64_t steepest = gradients.abs().argmax().item<int64_t>();
    at::Tensor entry = weight.flatten()[steepest];
    const double value = entry.item<double>();
    entry.fill_(value + kStep);
    const double above = loss().item<double>();
    entry.fill_(value - kStep);
    const double below = loss().item<double>();
    entry.fill_(value);
    const double gradient = gradients[steepest].item<double>();
    EXPECT_NE(gradient, 0) << name;
    EXPECT_NEAR(gradient, (above - below) / (2 * kStep), 1e-7) << name;
  }
}

}  // namespace
}  // namespace homolog::engine
