#include "client/cli/latencies.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace homolog::cli {
namespace {

using std::chrono::nanoseconds;

TEST(LatenciesTest, HasNoPercentilesOfNothing) {
  const Latencies none;
  EXPECT_EQ(none.count(), 0);
  EXPECT_EQ(none.Percentile(0.5), 0);
  EXPECT_EQ(none.max_seconds(), 0);
}

TEST(LatenciesTest, GivesASingleOneForEveryPercentile) {
  Latencies one;
  one.Add(std::chrono::milliseconds(250));
  for (const double share : {0.0, 0.5, 0.99, 1.0}) {
    EXPECT_NEAR(one.Percentile(share), 0.25, 0.0025);
    EXPECT_LE(one.Percentile(share), one.max_seconds());
  }
  EXPECT_EQ(one.max_seconds(), 0.25);
}

TEST(LatenciesTest, IsWithinOnePercentOfTheExactPercentiles) {
  std::mt19937_64 random(5);
  std::lognormal_distribution<double> seconds(-6, 3);
  Latencies latencies;
  std::vector<double> exact;
  for (int i = 0; i < 20'000; ++i) {
    const nanoseconds value(std::clamp<int64_t>(std::llround(1e9 * seconds(random)), 1'000,
                                                int64_t{10'000} * 1'000'000'000));
    latencies.Add(value);
    exact.push_back(std::chrono::duration<double>(value).count());
  }
  std::sort(exact.begin(), exact.end());
  for (const double share : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const double expected = exact[static_cast<size_t>(std::ceil(share * 20'000)) - 1];
    EXPECT_NEAR(latencies.Percentile(share), expected, 0.01 * expected) << share;
  }
  EXPECT_EQ(latencies.max_seconds(), exact.back());
}

TEST(LatenciesTest, CountsWhatLiesOutsideAtTheBounds) {
  Latencies latencies;
  latencies.Add(nanoseconds(0));
  latencies.Add(std::chrono::hours(100));
  EXPECT_EQ(latencies.count(), 2);
  EXPECT_LT(latencies.Percentile(0.5), 2e-6);
  EXPECT_NEAR(latencies.Percentile(1), 3 * 3600, 120);
  EXPECT_EQ(latencies.max_seconds(), 360'000);
}

TEST(LatenciesTest, MergesAsIfAllHadBeenAddedToOne) {
  Latencies quick, slow, both;
  for (int i = 1; i <= 100; ++i) {
    quick.Add(std::chrono::microseconds(i));
    slow.Add(std::chrono::milliseconds(i));
    both.Add(std::chrono::microseconds(i));
    both.Add(std::chrono::milliseconds(i));
  }
  quick.Merge(slow);
  EXPECT_EQ(quick.count(), 200);
  EXPECT_EQ(quick.max_seconds(), 0.1);
  for (const double share : {0.1, 0.5, 0.9}) {
    EXPECT_EQ(quick.Percentile(share), both.Percentile(share));
  }
}

}  // namespace
}  // namespace homolog::cli
