#include "server/analysis/families.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace homolog::analysis {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Best partners and excess correlations (over a baseline of 0.25) of a reference's neurons.
PairCorrelations Pair(std::vector<int32_t> best, std::vector<float> excess) {
  PairCorrelations pair;
  pair.max_sim = std::move(best);
  pair.baseline.assign(excess.size(), 0.25f);
  for (const float e : excess) pair.max_corr.push_back(e + 0.25f);
  return pair;
}

TEST(FamiliesTest, JoinMutualBestPartners) {
  // 0:0 and 1:1 name each other; 0:1 names 1:1, which does not name it.
  const auto families =
      FindFamilies({{Pair({1, 1}, {0.625f, 0.75f})}, {Pair({0, 0}, {0.75f, 0.5f})}}, 0.25);
  ASSERT_EQ(families.size(), 1);
  EXPECT_THAT(families[0].members, ElementsAre(FamilyNeuron{0, 0}, FamilyNeuron{1, 1}));
  EXPECT_DOUBLE_EQ(families[0].mean_excess, (0.625 + 0.5) / 2);
}

TEST(FamiliesTest, NeedBothExcessesAboveTheThreshold) {
  const std::vector<std::vector<PairCorrelations>> correlations = {{Pair({0}, {0.75f})},
                                                                   {Pair({0}, {0.5f})}};
  EXPECT_EQ(FindFamilies(correlations, 0.4).size(), 1);
  EXPECT_THAT(FindFamilies(correlations, 0.5), IsEmpty());  // strictly
  EXPECT_THAT(FindFamilies(correlations, 0.6), IsEmpty());
}

TEST(FamiliesTest, JoinAcrossAllModelsByChains) {
  // Model 0 has one neuron, kin with 1:0; 1:0 kin with 2:1; 2:1 not with 0:0. 1:1 and 2:0 are
  // another family.
  const auto families = FindFamilies({{Pair({0}, {0.5f}), Pair({0}, {0.5f})},
                                      {Pair({0, 0}, {0.5f, 0.5f}), Pair({1, 0}, {0.5f, 1.0f})},
                                      {Pair({0, 0}, {-0.5f, 0.5f}), Pair({1, 0}, {1.0f, 0.5f})}},
                                     0.25);
  ASSERT_EQ(families.size(), 2);
  EXPECT_THAT(families[0].members,
              ElementsAre(FamilyNeuron{0, 0}, FamilyNeuron{1, 0}, FamilyNeuron{2, 1}));
  EXPECT_DOUBLE_EQ(families[0].mean_excess, 0.5);
  EXPECT_THAT(families[1].members, ElementsAre(FamilyNeuron{1, 1}, FamilyNeuron{2, 0}));
  EXPECT_DOUBLE_EQ(families[1].mean_excess, 1.0);
}

TEST(FamiliesTest, OfEqualSizeTheOneWithMoreExcessComesFirst) {
  const auto families = FindFamilies(
      {{Pair({0, 1, 2}, {0.5f, 0.75f, 0.5f})}, {Pair({0, 1, 2}, {0.5f, 0.75f, 0.5f})}}, 0);
  ASSERT_EQ(families.size(), 3);
  EXPECT_EQ(families[0].members[0].neuron, 1);
  EXPECT_EQ(families[1].members[0].neuron, 0);
  EXPECT_EQ(families[2].members[0].neuron, 2);
}

}  // namespace
}  // namespace homolog::analysis
