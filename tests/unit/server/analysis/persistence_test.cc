#include "server/analysis/persistence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace homolog::analysis {
namespace {

using ::testing::ElementsAre;

TEST(KeptCountsTest, CountNeuronsThatAreUniversalAtBothSteps) {
  // Two layers of three neurons; from, to, layer.
  EXPECT_THAT(
      KeptCounts(
          {{true, true, false, false, false, true}, {true, false, true, false, false, false}}, 2),
      ElementsAre(2, 1,  // 0, 0
                  1, 0,  // 0, 1
                  1, 0,  // 1, 0
                  2, 0   // 1, 1
                  ));
}

TEST(KeptCountsTest, AreOfEveryPairOfSteps) {
  EXPECT_THAT(KeptCounts({{true, true}, {false, true}, {true, false}}, 1),
              ElementsAre(2, 1, 1, 1, 1, 0, 1, 0, 1));
}

TEST(CountLineagesTest, FollowBestPartners) {
  PairCorrelations forward;
  forward.max_sim = {3, 0, 1, 2, 3};
  forward.max_corr = {0.9f, 0.9f, 0.1f, 0.5f, 0};
  // 0 -> 3 stays; 1 -> 0 ceases; 2 -> 1 never; 3 -> 2 becomes; 4 is dead: no successor.
  const LineageCounts counts =
      CountLineages(forward, {true, true, false, false, true}, {false, false, true, true, false});
  EXPECT_EQ(counts.stayed, 1);
  EXPECT_EQ(counts.ceased, 2);
  EXPECT_EQ(counts.never, 1);
  EXPECT_EQ(counts.became, 1);
}

}  // namespace
}  // namespace homolog::analysis
