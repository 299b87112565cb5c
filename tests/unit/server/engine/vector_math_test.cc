#include "server/engine/vector_math.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace homolog::engine {
namespace {

double GeluTanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

TEST(VectorMathTest, GivesTheGeluAtEveryMagnitude) {
  std::vector<float> x;
  for (float v = 1e-30f; v < 1e12f; v *= 1.01f) {
    x.push_back(v);
    x.push_back(-v);
  }
  x.push_back(0);
  std::vector<float> y(x.size());
  GeluTanhLoop(x.data(), y.data(), static_cast<int64_t>(x.size()));
  for (size_t i = 0; i < x.size(); ++i) {
    const double expected = GeluTanh(x[i]);
    ASSERT_NEAR(y[i], expected, std::max(1e-6, 1e-6 * std::abs(expected))) << x[i];
  }
}

TEST(VectorMathTest, KeepsTheDigitsOfASmallGelu) {
  for (float x = -4; x < 4; x += 0.001f) {
    float y = 0;
    GeluTanhLoop(&x, &y, 1);
    EXPECT_NEAR(y, GeluTanh(x), 4e-7) << x;
  }
}

// Every length up to several vectors, and every place that a vector may begin at.
TEST(VectorMathTest, GivesTheSoftmaxOfAnyLength) {
  std::mt19937_64 random(7);
  for (int64_t length = 1; length < 100; ++length) {
    for (const double spread : {0.01, 1.0, 30.0, 1000.0}) {
      std::normal_distribution<double> normal(3, spread);
      std::vector<float> row(length + 3);
      for (float& value : row) value = static_cast<float>(normal(random));
      float* begin = row.data() + length % 3;
      const std::vector<float> scores(begin, begin + length);
      const double largest = *std::max_element(scores.begin(), scores.end());
      double sum = 0;
      for (const float score : scores) sum += std::exp(score - largest);
      SoftmaxLoop(begin, length);
      for (int64_t i = 0; i < length; ++i) {
        ASSERT_NEAR(begin[i], std::exp(scores[i] - largest) / sum, 1e-6) << length << " " << spread;
      }
    }
  }
}

TEST(VectorMathTest, WritesNothingBeyondItsRow) {
  std::vector<float> row(40, -7.0f);
  SoftmaxLoop(row.data() + 5, 21);
  GeluTanhLoop(row.data() + 5, row.data() + 5, 21);
  for (int i = 0; i < 40; ++i) {
    const bool outside = i < 5 || i >= 26;
    EXPECT_EQ(row[i] == -7.0f, outside) << i;
  }
}

}  // namespace
}  // namespace homolog::engine
