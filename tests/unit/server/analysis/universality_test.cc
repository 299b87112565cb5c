#include "server/analysis/universality.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace homolog::analysis {
namespace {

using ::testing::ElementsAre;

// One partner of one neuron.
PairCorrelations Pair(float max_corr, float baseline, float min_corr = 0) {
  PairCorrelations pair;
  pair.max_corr = {max_corr};
  pair.baseline = {baseline};
  pair.min_corr = {min_corr};
  return pair;
}

bool Universal(const std::vector<PairCorrelations>& pairs, UniversalityRule rule, double threshold,
               uint8_t dead = 0) {
  return UniversalNeurons(pairs, {dead}, rule, threshold)[0];
}

const std::vector<PairCorrelations>& ThreePartners() {
  static const auto* pairs = new std::vector<PairCorrelations>{
      Pair(0.75f, 0.25f, -0.5f), Pair(0.5f, 0.125f, -0.25f), Pair(1.0f, 0.75f, -0.75f)};
  return *pairs;
}

TEST(UniversalityTest, MeanRuleSubtractsTheMeanBaselineFromTheMeanMaximum) {
  const NeuronExcess excess = CombinePartners(ThreePartners(), UniversalityRule::kMean, 0);
  EXPECT_DOUBLE_EQ(excess.max_corr, 0.75);
  EXPECT_DOUBLE_EQ(excess.baseline, 0.375);
  EXPECT_DOUBLE_EQ(excess.min_corr, -0.5);
  EXPECT_DOUBLE_EQ(excess.excess, 0.375);
  EXPECT_EQ(excess.partner, 2);  // the largest maximum
}

TEST(UniversalityTest, AllRuleTakesTheSmallestExcess) {
  const NeuronExcess excess = CombinePartners(ThreePartners(), UniversalityRule::kAll, 0);
  EXPECT_DOUBLE_EQ(excess.excess, 0.25);
  EXPECT_EQ(excess.partner, 2);
  EXPECT_DOUBLE_EQ(excess.max_corr, 1);
  EXPECT_DOUBLE_EQ(excess.baseline, 0.75);
  EXPECT_DOUBLE_EQ(excess.min_corr, -0.75);
}

TEST(UniversalityTest, AnyRuleTakesTheLargestExcess) {
  const NeuronExcess excess = CombinePartners(ThreePartners(), UniversalityRule::kAny, 0);
  EXPECT_DOUBLE_EQ(excess.excess, 0.5);
  EXPECT_EQ(excess.partner, 0);
  EXPECT_DOUBLE_EQ(excess.max_corr, 0.75);
}

TEST(UniversalityTest, TiesGoToTheFirstPartner) {
  const std::vector<PairCorrelations> pairs = {Pair(0.5f, 0.25f), Pair(0.75f, 0.5f),
                                               Pair(0.75f, 0.5f)};
  EXPECT_EQ(CombinePartners(pairs, UniversalityRule::kMean, 0).partner, 1);
  EXPECT_EQ(CombinePartners(pairs, UniversalityRule::kAll, 0).partner, 0);
  EXPECT_EQ(CombinePartners(pairs, UniversalityRule::kAny, 0).partner, 0);
}

TEST(UniversalityTest, OnePartnerIsTheSameByEveryRule) {
  for (const auto rule :
       {UniversalityRule::kMean, UniversalityRule::kAll, UniversalityRule::kAny}) {
    const NeuronExcess excess = CombinePartners({Pair(0.875f, 0.25f, -0.5f)}, rule, 0);
    EXPECT_EQ(excess.excess, 0.625);
    EXPECT_EQ(excess.max_corr, 0.875);
    EXPECT_EQ(excess.min_corr, -0.5);
    EXPECT_EQ(excess.baseline, 0.25);
    EXPECT_EQ(excess.partner, 0);
  }
}

TEST(UniversalityTest, ThresholdIsStrict) {
  for (const auto rule :
       {UniversalityRule::kMean, UniversalityRule::kAll, UniversalityRule::kAny}) {
    EXPECT_FALSE(Universal({Pair(0.75f, 0.25f)}, rule, 0.5));
    EXPECT_TRUE(Universal({Pair(0.75f, 0.25f)}, rule, 0.4999999));
    EXPECT_TRUE(Universal({Pair(0.7500001f, 0.25f)}, rule, 0.5));
  }
}

TEST(UniversalityTest, ThresholdIsStrictForAnyNumberOfPartners) {
  for (size_t partners = 1; partners < 50; ++partners) {
    const std::vector<PairCorrelations> pairs(partners, Pair(0.875f, 0.375f));
    EXPECT_FALSE(Universal(pairs, UniversalityRule::kMean, 0.5)) << partners << " partners";
    EXPECT_EQ(CombinePartners(pairs, UniversalityRule::kMean, 0).excess, 0.5);
  }
}

TEST(UniversalityTest, RulesDifferWherePartnersDo) {
  const std::vector<PairCorrelations> pairs = {Pair(0.9f, 0.1f), Pair(0.6f, 0.2f),
                                               Pair(0.3f, 0.2f)};  // excess 0.8, 0.4, 0.1
  EXPECT_TRUE(Universal(pairs, UniversalityRule::kAny, 0.75));
  EXPECT_TRUE(Universal(pairs, UniversalityRule::kMean, 0.4));
  EXPECT_FALSE(Universal(pairs, UniversalityRule::kMean, 0.5));
  EXPECT_TRUE(Universal(pairs, UniversalityRule::kAll, 0.05));
  EXPECT_FALSE(Universal(pairs, UniversalityRule::kAll, 0.2));
}

TEST(UniversalityTest, ADeadNeuronIsNeverUniversal) {
  EXPECT_TRUE(Universal({Pair(0, 0)}, UniversalityRule::kMean, -0.5));
  EXPECT_FALSE(Universal({Pair(0, 0)}, UniversalityRule::kMean, -0.5, /*dead=*/1));
}

TEST(UniversalityTest, LooksAtTheNeuronAskedFor) {
  PairCorrelations pair;
  pair.max_corr = {0.9f, 0.1f, 0.8f};
  pair.min_corr = {-0.1f, -0.2f, -0.3f};
  pair.baseline = {0.1f, 0.1f, 0.7f};
  EXPECT_THAT(UniversalNeurons({pair}, {0, 0, 0}, UniversalityRule::kAll, 0.5),
              ElementsAre(true, false, false));
  EXPECT_FLOAT_EQ(CombinePartners({pair}, UniversalityRule::kAll, 2).excess, 0.1f);
}

TEST(UniversalityTest, CountsByLayer) {
  EXPECT_THAT(CountByLayer({true, false, true, true, false, false}, 3), ElementsAre(1, 2, 0));
  EXPECT_THAT(CountByLayer({true, false, true, true, false, true}, 1), ElementsAre(4));
}

}  // namespace
}  // namespace homolog::analysis
