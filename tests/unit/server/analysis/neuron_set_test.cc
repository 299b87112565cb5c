#include "server/analysis/neuron_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

namespace homolog::analysis {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

NeuronSet All(int64_t neurons) {
  NeuronSet all(neurons);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

TEST(RandomNeuronsTest, AreDistinctAscendingAndInRange) {
  for (const int64_t count : {0, 1, 7, 99, 100}) {
    const NeuronSet set = RandomNeurons(100, count, 1, 0);
    EXPECT_EQ(set.size(), count);
    for (size_t i = 0; i < set.size(); ++i) {
      EXPECT_GE(set[i], i == 0 ? 0 : set[i - 1] + 1);
      EXPECT_LT(set[i], 100);
    }
  }
  EXPECT_EQ(RandomNeurons(100, 100, 1, 0), All(100));
  EXPECT_TRUE(RandomNeurons(0, 0, 1, 0).empty());
}

TEST(RandomNeuronsTest, DependOnSeedAndDrawAlone) {
  EXPECT_EQ(RandomNeurons(1000, 50, 3, 4), RandomNeurons(1000, 50, 3, 4));
  std::set<NeuronSet> sets;
  for (int64_t draw = 0; draw < 20; ++draw) {
    for (uint64_t seed = 0; seed < 20; ++seed) sets.insert(RandomNeurons(1000, 50, seed, draw));
  }
  EXPECT_EQ(sets.size(), 400);
}

TEST(RandomNeuronsTest, AreUniform) {
  // Every neuron and every pair of neurons equally often: chi-square within 5 deviations.
  constexpr int64_t kNeurons = 12, kCount = 4, kDraws = 20000;
  std::map<int64_t, double> ones;
  std::map<std::pair<int64_t, int64_t>, double> pairs;
  for (int64_t draw = 0; draw < kDraws; ++draw) {
    const NeuronSet set = RandomNeurons(kNeurons, kCount, 17, draw);
    for (size_t i = 0; i < set.size(); ++i) {
      ++ones[set[i]];
      for (size_t j = 0; j < i; ++j) ++pairs[{set[j], set[i]}];
    }
  }
  ASSERT_EQ(ones.size(), kNeurons);
  ASSERT_EQ(pairs.size(), kNeurons * (kNeurons - 1) / 2);
  auto chi_square = [](const auto& counts, double expected) {
    double sum = 0;
    for (const auto& [key, count] : counts) sum += std::pow(count - expected, 2) / expected;
    return sum;
  };
  EXPECT_LT(chi_square(ones, kDraws * kCount / 12.0), 11 + 5 * std::sqrt(2 * 11.0));
  EXPECT_LT(chi_square(pairs, kDraws * 6 / 66.0), 65 + 5 * std::sqrt(2 * 65.0));
}

TEST(RandomNeuronsByLayerTest, HaveAsManyNeuronsInEveryLayer) {
  const NeuronSet like = {0, 3, 4, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 35};
  for (int64_t draw = 0; draw < 50; ++draw) {
    const NeuronSet set = RandomNeuronsByLayer(like, 10, 3, draw);
    EXPECT_EQ(CutToLayer(set, 10, 0).size(), 3);
    EXPECT_THAT(CutToLayer(set, 10, 1), IsEmpty());
    EXPECT_EQ(CutToLayer(set, 10, 2), CutToLayer(like, 10, 2));  // all there are
    EXPECT_EQ(CutToLayer(set, 10, 3).size(), 1);
    EXPECT_TRUE(std::is_sorted(set.begin(), set.end()));
    EXPECT_EQ(std::set<int64_t>(set.begin(), set.end()).size(), like.size());
  }
}

TEST(RandomNeuronsByLayerTest, DifferByLayerSeedAndDraw) {
  const NeuronSet like = {0, 1, 2, 3, 4, 100, 101, 102, 103, 104};
  std::set<NeuronSet> sets;
  for (int64_t draw = 0; draw < 10; ++draw) {
    for (uint64_t seed = 0; seed < 10; ++seed) {
      const NeuronSet set = RandomNeuronsByLayer(like, 100, seed, draw);
      EXPECT_EQ(set, RandomNeuronsByLayer(like, 100, seed, draw));
      sets.insert(set);
      NeuronSet second = CutToLayer(set, 100, 1);
      for (int64_t& neuron : second) neuron -= 100;
      EXPECT_NE(CutToLayer(set, 100, 0), second);
    }
  }
  EXPECT_EQ(sets.size(), 100);
}

TEST(CutToLayerTest, KeepsTheLayersNeurons) {
  const NeuronSet set = {0, 9, 10, 19, 20, 39};
  EXPECT_THAT(CutToLayer(set, 10, 0), ElementsAre(0, 9));
  EXPECT_THAT(CutToLayer(set, 10, 1), ElementsAre(10, 19));
  EXPECT_THAT(CutToLayer(set, 10, 3), ElementsAre(39));
  EXPECT_THAT(CutToLayer(set, 10, 4), IsEmpty());
}

}  // namespace
}  // namespace homolog::analysis
