#include "client/cli/interrupt.h"

#include <gtest/gtest.h>

#include <csignal>

#include "client/cli/follow.h"

namespace homolog::cli {
namespace {

TEST(LastWordsDeathTest, AreSaidOnCtrlCWithExitCode130) {
  EXPECT_EXIT(
      {
        const LastWords last_words(HowToComeBack("operations/7"));
        raise(SIGINT);
      },
      ::testing::ExitedWithCode(130), "homolog operations wait operations/7");
}

TEST(LastWordsDeathTest, AreNotSaidOnceTheWaitIsOver) {
  EXPECT_EXIT(
      {
        { const LastWords last_words("words"); }
        raise(SIGINT);
      },
      ::testing::KilledBySignal(SIGINT), "^$");
}

TEST(InterruptFlagTest, IsSetByCtrlC) {
  const InterruptFlag flag;
  EXPECT_FALSE(flag.IsSet());
  raise(SIGINT);
  EXPECT_TRUE(flag.IsSet());
}

TEST(InterruptFlagTest, IsClearForTheNextOne) {
  {
    const InterruptFlag flag;
    raise(SIGTERM);
    EXPECT_TRUE(flag.IsSet());
  }
  const InterruptFlag flag;
  EXPECT_FALSE(flag.IsSet());
}

TEST(InterruptFlagDeathTest, LetsASecondCtrlCEndTheProcess) {
  EXPECT_EXIT(
      {
        const InterruptFlag flag;
        raise(SIGINT);
        raise(SIGINT);
      },
      ::testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace homolog::cli
