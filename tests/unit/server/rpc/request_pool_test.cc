#include "server/rpc/request_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace homolog::rpc {
namespace {

TEST(RequestPoolTest, RunsAsManyTasksAtOnceAsItHasThreads) {
  std::atomic<int> running = 0;
  std::promise<void> both, go_on;
  std::shared_future<void> opened = go_on.get_future().share();
  RequestPool pool(2, 10);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(pool.Post([&] {
      if (++running == 2) both.set_value();  // neither can end before the other has begun
      opened.wait();
    }));
  }
  both.get_future().wait();
  go_on.set_value();
}

TEST(RequestPoolTest, RefusesMoreThanTheQueueHoldsAndDoesNotRunIt) {
  std::promise<void> entered, go_on;
  std::atomic<int> ran = 0;
  {
    RequestPool pool(1, 2);
    ASSERT_TRUE(pool.Post([&] {
      entered.set_value();
      go_on.get_future().wait();
    }));
    entered.get_future().wait();
    EXPECT_TRUE(pool.Post([&] { ++ran; }));
    EXPECT_TRUE(pool.Post([&] { ++ran; }));
    EXPECT_FALSE(pool.Post([&] { ran += 100; }));
    go_on.set_value();
  }
  EXPECT_EQ(ran, 2);
}

TEST(RequestPoolTest, RunsWhatIsQueuedBeforeItEnds) {
  std::atomic<int> ran = 0;
  {
    RequestPool pool(3, 1000);
    for (int i = 0; i < 500; ++i) ASSERT_TRUE(pool.Post([&] { ++ran; }));
  }
  EXPECT_EQ(ran, 500);
}

}  // namespace
}  // namespace homolog::rpc
