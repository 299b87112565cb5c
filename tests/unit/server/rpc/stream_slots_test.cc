#include "server/rpc/stream_slots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <utility>
#include <vector>

#include "common/error.h"

namespace homolog::rpc {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(StreamSlotsTest, GivesEachClientAndAllTogetherNoMoreThanTheirs) {
  StreamSlots slots("uploads", 3, 2);
  auto a = slots.Take("a"), b = slots.Take("a");
  ASSERT_TRUE(a.ok() && b.ok());
  const absl::Status of_client = slots.Take("a").status();
  EXPECT_TRUE(absl::IsResourceExhausted(of_client));
  EXPECT_EQ(ErrorReason(of_client), "TOO_MANY_STREAMS");
  EXPECT_THAT(std::string(of_client.message()),
              AllOf(HasSubstr("a has 2 uploads"), HasSubstr("at most 2 of one client")));
  auto c = slots.Take("b");
  ASSERT_TRUE(c.ok());
  const absl::Status of_all = slots.Take("c").status();
  EXPECT_EQ(ErrorReason(of_all), "TOO_MANY_STREAMS");
  EXPECT_THAT(std::string(of_all.message()), HasSubstr("at most 3"));
}

TEST(StreamSlotsTest, TakesASlotBackOnce) {
  StreamSlots slots("uploads", 1, 1);
  {
    auto slot = slots.Take("a");
    ASSERT_TRUE(slot.ok());
    StreamSlots::Slot moved = *std::move(slot);
    EXPECT_FALSE(slots.Take("a").ok());
    moved.Release();
    moved.Release();
    auto again = slots.Take("a");
    ASSERT_TRUE(again.ok());
    moved = *std::move(again);
    EXPECT_FALSE(slots.Take("a").ok());
  }
  EXPECT_TRUE(slots.Take("a").ok());
}

TEST(StreamSlotsTest, CountsForManyThreads) {
  StreamSlots slots("uploads", 1000, 1000);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&slots, i] {
      for (int j = 0; j < 1000; ++j) EXPECT_TRUE(slots.Take(std::to_string(i % 2)).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<StreamSlots::Slot> all;
  for (int i = 0; i < 1000; ++i) all.push_back(*slots.Take("a"));
  EXPECT_FALSE(slots.Take("b").ok());
}

}  // namespace
}  // namespace homolog::rpc
