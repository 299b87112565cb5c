#include "server/store/result_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace homolog::store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What is given up for the budget, in order.
std::vector<std::string> Claim(ResultIndex& index, int64_t budget) {
  std::vector<std::string> keys;
  while (const auto claimed = index.ClaimBeyondBudget(budget)) keys.push_back(claimed->key);
  return keys;
}

TEST(ResultIndexTest, NamesTheOldestFirstThoseOfAFormerProcessBeforeAll) {
  ResultIndex index;
  index.Load("k/late", 10, 200);
  index.Load("k/early", 10, 100);
  index.Put("k/new", 10);
  index.Put("k/newer", 10);
  EXPECT_THAT(Claim(index, 0), IsEmpty());
  EXPECT_THAT(Claim(index, 40), IsEmpty());
  EXPECT_THAT(Claim(index, 25), ElementsAre("k/early", "k/late"));
  EXPECT_EQ(index.bytes(), 20);
  EXPECT_THAT(Claim(index, 5), ElementsAre("k/new"));
  EXPECT_EQ(index.bytes(), 10);
}

TEST(ResultIndexTest, CountsWhatFormerProcessesLeftAsUsedOnceItIsTouched) {
  ResultIndex index;
  index.Load("k/late", 10, 200);
  index.Load("k/early", 10, 100);
  index.Touch("k/early");
  EXPECT_THAT(Claim(index, 15), ElementsAre("k/late"));
}

TEST(ResultIndexTest, HoldsWhatWasUsedSince) {
  ResultIndex index;
  index.Put("k/a", 10);
  index.Put("k/b", 10);
  const uint64_t outer = index.BeginHold();
  index.Touch("k/a");
  const uint64_t inner = index.BeginHold();
  index.Put("k/c", 10);
  EXPECT_THAT(Claim(index, 1), ElementsAre("k/b"));
  index.EndHold(outer);
  EXPECT_THAT(Claim(index, 1), ElementsAre("k/a"));
  index.EndHold(inner);
}

TEST(ResultIndexTest, CountsBytesOnceHoweverOftenAResultIsReplaced) {
  ResultIndex index;
  index.Put("k/a", 10);
  index.Put("k/a", 30);
  index.Put("other/b", 5);
  EXPECT_EQ(index.bytes(), 35);
  EXPECT_EQ(index.TotalsByKind().at("k").count, 1);
  index.Remove("k/a");
  index.Remove("k/a");
  EXPECT_EQ(index.bytes(), 5);
}

TEST(ResultIndexTest, GivesEachUseToBeSavedOnce) {
  ResultIndex index;
  index.Load("k/old", 1, 100);
  EXPECT_THAT(index.TakeUnsaved(), IsEmpty());
  index.Touch("k/old");
  const auto unsaved = index.TakeUnsaved();
  ASSERT_EQ(unsaved.size(), 1U);
  EXPECT_EQ(unsaved[0].key, "k/old");
  EXPECT_GT(unsaved[0].used_seconds, 1'700'000'000);
  EXPECT_THAT(index.TakeUnsaved(), IsEmpty());
}

}  // namespace
}  // namespace homolog::store
