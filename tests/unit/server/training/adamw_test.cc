#include "server/training/adamw.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "server/engine/architecture.h"
#include "server/training/parameters.h"

namespace homolog::training {
namespace {

Recipe Tiny() {
  Recipe recipe;
  recipe.layers = 2;
  recipe.d_model = 6;
  recipe.heads = 2;
  recipe.context = 5;
  recipe.vocabulary = 11;
  Resolve(recipe);
  return recipe;
}

std::unique_ptr<engine::Architecture> ArchitectureOf(const Recipe& recipe) {
  auto architecture = engine::ParseArchitecture(HuggingFaceConfig(recipe));
  EXPECT_TRUE(architecture.ok()) << architecture.status();
  return *std::move(architecture);
}

// AdamW on one number, in float64 and by the paper.
struct NaiveAdamW {
  double value, mean = 0, square = 0;
  int step = 0;

  void Step(double gradient, double rate, double decay, const Recipe& r) {
    ++step;
    mean = r.beta1 * mean + (1 - r.beta1) * gradient;
    square = r.beta2 * square + (1 - r.beta2) * gradient * gradient;
    const double m = mean / (1 - std::pow(r.beta1, step));
    const double v = square / (1 - std::pow(r.beta2, step));
    value -= rate * (m / (std::sqrt(v) + r.epsilon) + decay * value);
  }
};

TEST(AdamWTest, IsThePapersWithDecayOfMatricesOnlyAndClipping) {
  Recipe recipe = Tiny();
  recipe.gradient_clip = 3.0;
  const auto architecture = ArchitectureOf(recipe);
  Parameters parameters(*architecture, 0.5, 7);
  engine::Weights leaves = parameters.Leaves();
  AdamW optimizer(parameters, recipe);
  const std::vector<engine::WeightSpec> specs = parameters.specs();
  std::vector<std::vector<NaiveAdamW>> naive;
  for (size_t w = 0; w < specs.size(); ++w) {
    const at::Tensor value = parameters.Value(w).flatten();
    naive.emplace_back();
    for (int64_t i = 0; i < value.size(0); ++i) naive[w].push_back({value[i].item<float>()});
  }
  for (int step = 0; step < 5; ++step) {
    // The first steps are clipped, the last ones are not.
    const double scale = step < 3 ? 1.0 : 0.01;
    double norm = 0;
    std::vector<at::Tensor> gradients;
    for (size_t w = 0; w < specs.size(); ++w) {
      gradients.push_back(at::randn(specs[w].shape) * scale);
      leaves.at(specs[w].name).grad().copy_(gradients[w]);
      norm += gradients[w].to(at::kDouble).square().sum().item<double>();
    }
    norm = std::sqrt(norm);
    EXPECT_NEAR(optimizer.Step(0.01 * (step + 1)), norm, 1e-4 * norm);
    const double clip = std::min(1.0, 3.0 / norm);
    for (size_t w = 0; w < specs.size(); ++w) {
      const double decay = specs[w].shape.size() > 1 ? recipe.weight_decay : 0;
      const at::Tensor flat = gradients[w].flatten(), value = parameters.Value(w).flatten();
      for (size_t i = 0; i < naive[w].size(); ++i) {
        const int64_t at = static_cast<int64_t>(i);
        naive[w][i].Step(clip * flat[at].item<float>(), 0.01 * (step + 1), decay, recipe);
        ASSERT_NEAR(value[at].item<float>(), naive[w][i].value, 1e-5)
            << specs[w].name << " " << i << " step " << step;
      }
    }
  }
  EXPECT_EQ(parameters.gradients().abs().max().item<double>(), 0) << "ready for the next step";
}

TEST(ParametersTest, StartAsGpt2Does) {
  Recipe recipe = Tiny();
  recipe.d_model = 128;
  const auto architecture = ArchitectureOf(recipe);
  const Parameters parameters(*architecture, 0.02, 0);
  for (size_t w = 0; w < parameters.specs().size(); ++w) {
    const std::string& name = parameters.specs()[w].name;
    const at::Tensor value = parameters.Value(w);
    if (value.dim() == 1) {
      const bool norm_weight = name.ends_with(".weight");
      EXPECT_TRUE(value.eq(norm_weight ? 1.0 : 0.0).all().item<bool>()) << name;
    } else {
      const double expected = name.ends_with("c_proj.weight") ? 0.02 / std::sqrt(4.0) : 0.02;
      EXPECT_NEAR(value.std().item<double>(), expected, 0.15 * expected) << name;
      EXPECT_NEAR(value.mean().item<double>(), 0, 0.2 * expected) << name;
    }
  }
}

TEST(ParametersTest, DifferByTheirSeedOnly) {
  const auto architecture = ArchitectureOf(Tiny());
  const Parameters first(*architecture, 0.02, 3), again(*architecture, 0.02, 3);
  const Parameters other(*architecture, 0.02, 4);
  EXPECT_TRUE(first.values().equal(again.values()));
  EXPECT_FALSE(first.values().equal(other.values()));
}

TEST(ParametersTest, GatherTheGradientsOfTheirLeaves) {
  const Recipe recipe = Tiny();
  const auto architecture = ArchitectureOf(recipe);
  Parameters parameters(*architecture, 0.02, 3);
  const engine::Weights leaves = parameters.Leaves();
  const at::Tensor weight = leaves.at("h.1.mlp.c_fc.weight");
  (weight * 2).sum().backward();
  (weight * 3).sum().backward();
  EXPECT_EQ(parameters.gradients().sum().item<double>(), 5.0 * 6 * 24) << "added, in place";
}

}  // namespace
}  // namespace homolog::training
