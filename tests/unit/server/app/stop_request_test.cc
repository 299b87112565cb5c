#include "server/app/stop_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace homolog::app {
namespace {

using ::testing::ElementsAre;

TEST(StopRequestTest, IsNotMadeAtFirst) {
  StopRequest stop;
  EXPECT_FALSE(stop.made());
  stop.Make(0);
  EXPECT_TRUE(stop.made());
}

TEST(StopRequestTest, CountsTheFirstAlone) {
  std::vector<int> told;
  StopRequest stop([&](int exit_code) { told.push_back(exit_code); });
  stop.Make(4);
  stop.Make(0);
  EXPECT_EQ(stop.Wait(), 4);
  EXPECT_EQ(stop.Wait(), 4);
  EXPECT_THAT(told, ElementsAre(4));
}

TEST(StopRequestTest, WakesWhoWaits) {
  StopRequest stop;
  int heard = -1;
  std::thread waiter([&] { heard = stop.Wait(); });
  stop.Make(3);
  waiter.join();
  EXPECT_EQ(heard, 3);
}

TEST(StopRequestTest, TellsOfOneOfManyAtOnce) {
  std::vector<int> told;
  StopRequest stop([&](int exit_code) { told.push_back(exit_code); });
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) threads.emplace_back([&stop, i] { stop.Make(i); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(told, ElementsAre(stop.Wait()));
}

}  // namespace
}  // namespace homolog::app
