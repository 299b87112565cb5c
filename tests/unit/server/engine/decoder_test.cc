// What the golden cases do not show of a decoder: where it stops, what its edits do, that it looks
// back only, that gradients reach its weights.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "server/engine/model.h"
#include "tests/unit/server/engine/golden.h"
#include "tests/unit/server/engine/measures.h"

namespace homolog::engine {
namespace {

class DecoderTest : public ::testing::Test {
 protected:
  const std::string folder_ = homolog::testing::GoldenFolder() + "/gpt2";
  const std::unique_ptr<Model> model_ = homolog::testing::ReadModel(folder_);
  const at::Tensor tokens_ =
      homolog::testing::ReadTensors(folder_ + "/expected.safetensors").at("tokens");
};

TEST_F(DecoderTest, DescribesItself) {
  const ModelDescription& description = model_->description();
  EXPECT_EQ(description.family, "gpt2");
  EXPECT_EQ(description.nonlinearity, "gelu_new");
  EXPECT_EQ(description.shape, (ModelShape{3, 48, 192, 4, 101, 32}));
  EXPECT_EQ(description.shape.neurons(), 576);
  EXPECT_EQ(model_->device(), at::Device(at::kCPU));
}

TEST_F(DecoderTest, StopsAfterTheLastLayerAskedFor) {
  std::vector<int64_t> layers;
  ForwardOptions options;
  options.tap = [&](int64_t layer, const at::Tensor&) { layers.push_back(layer); };
  options.last_layer = 1;
  EXPECT_FALSE(model_->Hidden(tokens_, options).defined());
  EXPECT_THAT(layers, ::testing::ElementsAre(0, 1));
}

TEST_F(DecoderTest, RunsToTheEndWithoutALastLayer) {
  EXPECT_EQ(model_->Hidden(tokens_, {}).sizes(), at::IntArrayRef({4, 24, 48}));
}

TEST_F(DecoderTest, TapsWhatTheEditMadeOfTheNeurons) {
  ForwardOptions options;
  options.edit = [](int64_t, const at::Tensor& post) { return at::full_like(post, 7.0); };
  int64_t sevens = 0;
  options.tap = [&](int64_t, const at::Tensor& post) { sevens += post.eq(7.0).all().item<bool>(); };
  model_->Hidden(tokens_, options);
  EXPECT_EQ(sevens, 3);
}

TEST_F(DecoderTest, ResumesFromAnyLayerAsIfItHadRunOn) {
  for (const char* family : {"/gpt2", "/gpt_neox"}) {
    const std::unique_ptr<Model> model =
        homolog::testing::ReadModel(homolog::testing::GoldenFolder() + family);
    const at::Tensor whole = model->Hidden(tokens_, {});
    ForwardOptions options;
    int64_t states = 0;
    options.state_tap = [&](const PassState& state) {
      ++states;
      EXPECT_EQ(state.mlp_post.sizes(), at::IntArrayRef({4, 24, 192}));
      // While the first pass is under way, and twice in one batch.
      const at::Tensor twice = model->Resume(
          {state.layer, state.residual.repeat({2, 1}), state.mlp_post.repeat({2, 1, 1})}, {});
      EXPECT_LT(LargestDifference(twice.narrow(0, 0, 4), whole), 1e-5) << state.layer;
      EXPECT_LT(LargestDifference(twice.narrow(0, 4, 4), whole), 1e-5) << state.layer;
    };
    EXPECT_LT(LargestDifference(model->Hidden(tokens_, options), whole), 1e-9);
    EXPECT_EQ(states, 3);
  }
}

TEST_F(DecoderTest, ResumesWithEditsOfTheLayersAfter) {
  ForwardOptions edited, forked;
  edited.edit = [](int64_t layer, const at::Tensor& post) { return layer == 0 ? post : post * 0; };
  const at::Tensor expected = model_->Hidden(tokens_, edited);
  at::Tensor resumed;
  forked.state_tap = [&](const PassState& state) {
    if (state.layer == 0) resumed = model_->Resume(state, edited);
  };
  model_->Hidden(tokens_, forked);
  EXPECT_LT(LargestDifference(resumed, expected), 1e-6);
}

TEST_F(DecoderTest, LooksOnlyBack) {
  at::Tensor changed = tokens_.clone();
  changed.select(1, 20).copy_((changed.select(1, 20) + 1).remainder(101));
  const at::Tensor before = model_->Hidden(tokens_, {}), after = model_->Hidden(changed, {});
  EXPECT_LT(LargestDifference(before.narrow(1, 0, 20), after.narrow(1, 0, 20)), 1e-6);
  EXPECT_GT(LargestDifference(before.narrow(1, 20, 4), after.narrow(1, 20, 4)), 1e-2);
}

TEST_F(DecoderTest, TakesAShorterContextThanItsOwn) {
  const at::Tensor whole = model_->Hidden(tokens_, {});
  const at::Tensor part = model_->Hidden(tokens_.narrow(1, 0, 3), {});
  EXPECT_LT(LargestDifference(whole.narrow(1, 0, 3), part), 1e-5);
}

// The difference that weights of another type make to the first layer's activations, relative to
// their size.
class DecoderTypeTest : public DecoderTest {
 protected:
  double Difference(at::ScalarType type) {
    const std::unique_ptr<Architecture> architecture = homolog::testing::ReadArchitecture(folder_);
    Weights weights;
    for (const auto& [name, value] :
         homolog::testing::ReadTensors(folder_ + "/model.safetensors")) {
      if (const auto canonical = architecture->CanonicalName(name)) {
        weights[*canonical] = value.to(type);
      }
    }
    const std::unique_ptr<Model> other = architecture->Build(weights);
    const at::Tensor post = at::zeros({tokens_.numel(), 192}), expected = at::zeros_like(post);
    ForwardOptions options;
    options.last_layer = 0;
    options.destination = [&](int64_t) { return post; };
    other->Hidden(tokens_, options);
    options.destination = [&](int64_t) { return expected; };
    model_->Hidden(tokens_, options);
    return ((post - expected).norm() / expected.norm()).item<double>();
  }
};

// libtorch 1.13 does not everywhere: on a processor without AVX-512 it stops at 256, the last
// number that 8 bits of mantissa tell from its successor.
bool AddsUpBfloat16InFloat32() {
  const at::Tensor ones = at::ones({32, 1024}, at::kBFloat16);
  return ones.mm(ones.t().contiguous())[0][0].item<double>() == 1024;
}

TEST_F(DecoderTypeTest, RunsInFloat64) {
  EXPECT_LT(Difference(at::kDouble), 1e-5);
  EXPECT_GT(Difference(at::kDouble), 0);
}

TEST_F(DecoderTypeTest, RunsInBfloat16) {
  if (!AddsUpBfloat16InFloat32()) GTEST_SKIP() << "libtorch adds up in bfloat16 here";
  // 8 bits of mantissa.
  EXPECT_LT(Difference(at::kBFloat16), 0.02);
  EXPECT_GT(Difference(at::kBFloat16), 0);
}

// The gradient of the loss by every weight, against central differences in float64.
TEST_F(DecoderTest, LetsGradientsReachEveryWeight) {
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
