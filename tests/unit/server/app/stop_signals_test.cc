#include "server/app/stop_signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <future>

namespace homolog::app {
namespace {

using ::testing::ExitedWithCode;
using ::testing::KilledBySignal;

// In processes of their own: a signal to this one would end the tests.

// Exits with the first signal that is heard.
[[noreturn]] void ExitWithSignal(int sent_before, int sent_after) {
  BlockStopSignals();
  if (sent_before != 0) kill(getpid(), sent_before);
  std::promise<int> heard;
  int exit_code = 0;
  {
    const StopSignals signals([&](int signal) { heard.set_value(signal); });
    if (sent_after != 0) kill(getpid(), sent_after);
    exit_code = heard.get_future().get();
  }
  _exit(exit_code);
}

TEST(StopSignalsDeathTest, HearsEitherSignal) {
  EXPECT_EXIT(ExitWithSignal(0, SIGTERM), ExitedWithCode(SIGTERM), "");
  EXPECT_EXIT(ExitWithSignal(0, SIGINT), ExitedWithCode(SIGINT), "");
}

TEST(StopSignalsDeathTest, HearsOneThatCameBefore) {
  EXPECT_EXIT(ExitWithSignal(SIGTERM, 0), ExitedWithCode(SIGTERM), "");
}

TEST(StopSignalsDeathTest, ToleratesFurtherOnes) {
  const auto send_two = [] {
    BlockStopSignals();
    std::promise<void> heard;
    {
      const StopSignals signals([&](int) { heard.set_value(); });  // throws the second time
      kill(getpid(), SIGTERM);
      heard.get_future().wait();
      kill(getpid(), SIGTERM);
      kill(getpid(), SIGINT);
    }
    _exit(0);
  };
  EXPECT_EXIT(send_two(), ExitedWithCode(0), "");
}

TEST(StopSignalsDeathTest, GoesWithoutAnySignal) {
  const auto make_and_destroy = [] {
    BlockStopSignals();
    bool heard = false;
    {
      const StopSignals signals([&](int) { heard = true; });
    }
    _exit(heard ? 1 : 0);
  };
  EXPECT_EXIT(make_and_destroy(), ExitedWithCode(0), "");
}

TEST(StopSignalsDeathTest, LeavesOtherSignalsAlone) {
  const auto abort_it = [] {
    BlockStopSignals();
    kill(getpid(), SIGUSR1);
    _exit(0);
  };
  EXPECT_EXIT(abort_it(), KilledBySignal(SIGUSR1), "");
}

}  // namespace
}  // namespace homolog::app
