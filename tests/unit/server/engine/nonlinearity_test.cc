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
      {"gelu_fast", GeluTanh},
      {"gelu_new", GeluTanh},
      {"gelu_pytorch_tanh", GeluTanh},
      {"quick_gelu", [](double x) { return x * Sigmoid(1.702 * x); }},
      {"relu", [](double x) { return std::max(0.0, x); }},
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
