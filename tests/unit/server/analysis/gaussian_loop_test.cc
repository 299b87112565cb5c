#include "server/analysis/gaussian_loop.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "server/analysis/random.h"

namespace homolog::analysis {
namespace {

std::vector<float> Draw(uint64_t key, uint64_t first, int64_t count) {
  std::vector<float> numbers(count);
  GaussianLoop(key, first, count, numbers.data());
  return numbers;
}

TEST(GaussianLoopTest, IsBoxAndMullersFormula) {
  const std::vector<float> drawn = Draw(5, 0, 20000);
  for (int64_t i = 0; i < 10000; ++i) {
    const uint64_t bits = RandomBits(5, static_cast<uint64_t>(i));
    const double u = std::min(1.0, (static_cast<double>(bits & 0xffffffff) + 0.5) * 0x1.0p-32);
    const double angle = 2 * std::numbers::pi * static_cast<double>(bits >> 32) * 0x1.0p-32;
    const double radius = std::sqrt(-2 * std::log(u));
    // Uniform numbers are rounded to 24 bits: close to 1, the logarithm feels it.
    EXPECT_NEAR(drawn[2 * i], radius * std::cos(angle), 4e-4);
    EXPECT_NEAR(drawn[2 * i + 1], radius * std::sin(angle), 4e-4);
  }
}

TEST(GaussianLoopTest, DependsOnKeyAndPlaceAlone) {
  const std::vector<float> all = Draw(9, 0, 3000), part = Draw(9, 1000, 500);
  for (int64_t i = 0; i < 500; ++i) EXPECT_EQ(part[i], all[1000 + i]);
  EXPECT_NE(Draw(10, 0, 100), Draw(9, 0, 100));
}

TEST(GaussianLoopTest, IsNormallyDistributed) {
  constexpr int64_t kCount = 2000000;
  const std::vector<float> x = Draw(1, 0, kCount);
  double moments[4] = {};
  std::vector<int64_t> beyond(5);
  for (const float v : x) {
    for (int i = 0; i < 4; ++i) moments[i] += std::pow(v, i + 1) / kCount;
    for (int i = 0; i < 5; ++i) beyond[i] += v > i ? 1 : 0;
  }
  // Four standard errors.
  EXPECT_NEAR(moments[0], 0, 4 / std::sqrt(kCount));
  EXPECT_NEAR(moments[1], 1, 4 * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(moments[2], 0, 4 * std::sqrt(15.0 / kCount));
  EXPECT_NEAR(moments[3], 3, 4 * std::sqrt(96.0 / kCount));
  for (int i = 0; i < 5; ++i) {
    const double share = 0.5 * std::erfc(i / std::numbers::sqrt2);
    EXPECT_NEAR(static_cast<double>(beyond[i]), share * kCount, 4 * std::sqrt(share * kCount));
  }
}

TEST(GaussianLoopTest, NeighboursAreUncorrelated) {
  const std::vector<float> x = Draw(3, 0, 1000000);
  for (const int64_t lag : {1, 2, 3, 1024}) {
    double sum = 0;
    for (size_t i = lag; i < x.size(); ++i) sum += static_cast<double>(x[i]) * x[i - lag];
    EXPECT_NEAR(sum / static_cast<double>(x.size()), 0, 4e-3) << lag;
  }
}

}  // namespace
}  // namespace homolog::analysis
