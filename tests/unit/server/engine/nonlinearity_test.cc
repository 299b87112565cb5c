#include "server/engine/nonlinearity.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <string>

namespace homolog::engine {
namespace {

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double GeluTanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

// As defined by transformers.activations.ACT2FN.
const std::map<std::string, std::function<double(double)>>& Definitions() {
  static const auto* definitions = new std::map<std::string, std::function<double(double)>>{
      {"gelu", [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }},
      {"gelu_accurate", GeluTanh},
      {"gelu_fast", GeluTanh},
      {"gelu_new", GeluTanh},
      {"gelu_python", [](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }},
      {"gelu_pytorch_tanh", GeluTanh},
      {"linear", [](double x) { return x; }},
      {"mish", [](double x) { return x * std::tanh(std::log1p(std::exp(x))); }},
      {"quick_gelu", [](double x) { return x * Sigmoid(1.702 * x); }},
      {"relu", [](double x) { return std::max(0.0, x); }},
      {"relu2", [](double x) { return std::pow(std::max(0.0, x), 2); }},
      {"relu6", [](double x) { return std::min(6.0, std::max(0.0, x)); }},
      {"sigmoid", Sigmoid},
      {"silu", [](double x) { return x * Sigmoid(x); }},
      {"swish", [](double x) { return x * Sigmoid(x); }},
      {"tanh", [](double x) { return std::tanh(x); }},
  };
  return *definitions;
}

TEST(NonlinearityTest, IsWhatItsNameSays) {
  const at::Tensor x = at::linspace(-8, 8, 1001, at::kFloat);
  for (const auto& [name, definition] : Definitions()) {
    const Nonlinearity function = FindNonlinearity(name);
    ASSERT_NE(function, nullptr) << name;
    const at::Tensor y = function(x);
    for (int64_t i = 0; i < x.size(0); ++i) {
      const double input = x[i].item<float>();
      ASSERT_NEAR(y[i].item<float>(), definition(input), 2e-6) << name << "(" << input << ")";
    }
  }
}

TEST(NonlinearityTest, IsTheSameInPiecesOfAnyLayout) {
  const at::Tensor x = at::randn({5000, 70}) * 4;
  const at::Tensor wide = at::full({5000, 200}, -7.0);
  for (const auto& [name, definition] : Definitions()) {
    const Nonlinearity function = FindNonlinearity(name);
    const at::Tensor expected = function(x.to(at::kDouble)).to(at::kFloat);
    ApplyNonlinearity(function, x, wide.narrow(1, 60, 70));
    EXPECT_TRUE(at::allclose(wide.narrow(1, 60, 70), expected, 1e-5, 2e-6)) << name;
    const at::Tensor in_place = x.clone();
    ApplyNonlinearity(function, in_place, in_place);
    EXPECT_TRUE(at::allclose(in_place, expected, 1e-5, 2e-6)) << name;
  }
  EXPECT_TRUE(wide.narrow(1, 0, 60).eq(-7).all().item<bool>()) << "only its own columns";
  EXPECT_TRUE(wide.narrow(1, 130, 70).eq(-7).all().item<bool>());
}

TEST(NonlinearityTest, StaysFiniteFarFromZero) {
  const at::Tensor x = at::tensor({-1e4f, -100.0f, 100.0f, 1e4f});
  for (const char* name : {"gelu", "gelu_new", "quick_gelu", "silu"}) {
    const at::Tensor y = FindNonlinearity(name)(x);
    EXPECT_TRUE(at::allclose(y, at::tensor({0.0f, 0.0f, 100.0f, 1e4f}))) << name << y;
  }
}

TEST(NonlinearityTest, HasTheDerivativeOfItsDefinition) {
  for (const auto& [name, definition] : Definitions()) {
    const at::Tensor x = at::linspace(-2.95, 2.95, 60, at::kDouble).set_requires_grad(true);
    FindNonlinearity(name)(x).sum().backward();
    for (int64_t i = 0; i < x.size(0); ++i) {
      const double at_x = x[i].item<double>(), step = 1e-6;
      const double slope = (definition(at_x + step) - definition(at_x - step)) / (2 * step);
      EXPECT_NEAR(x.grad()[i].item<double>(), slope, 1e-6) << name << " at " << at_x;
    }
  }
}

TEST(NonlinearityTest, RefusesAnUnknownName) {
  EXPECT_EQ(FindNonlinearity("softplus"), nullptr);
  EXPECT_EQ(FindNonlinearity(""), nullptr);
}

TEST(NonlinearityTest, ListsEveryNameForMessages) {
  for (const auto& [name, definition] : Definitions()) {
    EXPECT_THAT(SupportedNonlinearities(), ::testing::HasSubstr(name));
  }
}

}  // namespace
}  // namespace homolog::engine
