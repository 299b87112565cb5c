#include "server/app/drain.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <thread>

namespace homolog::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ExitedWithCode;

// A shutdown that hangs: it would end well only long after the test has failed.
void DrainForEver(seconds timeout, int exit_code) {
  ExitAfter(timeout, exit_code);
  std::this_thread::sleep_for(seconds(100));
  _exit(0);
}

TEST(DrainDeathTest, EndsAProcessThatDoesNotEndByItself) {
  EXPECT_EXIT(DrainForEver(seconds(1), kDrainTimedOut), ExitedWithCode(3),
              "not drained within --drain-timeout of 1 s: .* exit code 3");
}

TEST(DrainDeathTest, KeepsTheExitCodeOfALostDevice) {
  EXPECT_EXIT(DrainForEver(seconds(0), kDeviceLost), ExitedWithCode(4), "exit code 4");
}

TEST(DrainDeathTest, LeavesAProcessAloneThatEndsInTime) {
  const auto end_at_once = [] {
    ExitAfter(seconds(100), kDrainTimedOut);
    _exit(0);
  };
  EXPECT_EXIT(end_at_once(), ExitedWithCode(0), "");
}

TEST(TimeForCallsTest, LeavesAQuarterForTheRest) {
  EXPECT_EQ(TimeForCalls(seconds(60)), seconds(45));
  EXPECT_EQ(TimeForCalls(seconds(1)), milliseconds(750));
  EXPECT_EQ(TimeForCalls(seconds(3600)), seconds(2700));
}

}  // namespace
}  // namespace homolog::app
