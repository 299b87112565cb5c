#include "client/cli/progress.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

namespace homolog::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(ProgressTextTest, ShowsABarWhereTheWholeIsKnown) {
  EXPECT_EQ(ProgressText("correlating", 1300000, 2600000, "tokens", seconds(12)),
            "correlating [##########..........]  50%  1.3M of 2.6M tokens  0:12 left");
  EXPECT_EQ(ProgressText("uploading", 1024, 1024, "bytes", seconds(-1)),
            "uploading [####################] 100%  1.0 KiB of 1.0 KiB");
  EXPECT_TRUE(ProgressText("x", 1, 2, "tokens", seconds(3725)).ends_with("1:02:05 left"));
}

TEST(ProgressTextTest, ShowsWhatIsKnownOtherwise) {
  EXPECT_EQ(ProgressText("loading", 0, 0, "tokens", seconds(-1)), "loading");
  EXPECT_EQ(ProgressText("uploading", 2048, 0, "bytes", seconds(-1)), "uploading  2.0 KiB");
}

TEST(ProgressTextTest, StaysInItsBoundsWhateverTheServerSays) {
  EXPECT_NE(ProgressText("x", 5, 2, "t", seconds(-1)).find("100%"), std::string::npos);
  EXPECT_NE(ProgressText("x", -5, 2, "t", seconds(-1)).find("  0%"), std::string::npos);
  EXPECT_EQ(ProgressText("a\033b", 0, 0, "t", seconds(-1)), "a?b");
}

class ProgressTest : public ::testing::Test {
 protected:
  std::function<Progress::Clock::time_point()> Now() {
    return [this] { return now_; };
  }
  int Lines() const {
    const std::string text = err_.str();
    return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  }

  Progress::Clock::time_point now_ = Progress::Clock::time_point(seconds(1000));
  std::ostringstream err_;
};

TEST_F(ProgressTest, SaysNothingOfQuickWorkInALog) {
  Progress progress(err_, false, "tokens", Now());
  now_ += seconds(4);
  progress.Update("reading", 1, 2);
  EXPECT_EQ(err_.str(), "");
}

TEST_F(ProgressTest, WritesALineEveryFewSecondsToALog) {
  {
    Progress progress(err_, false, "tokens", Now());
    for (int i = 0; i < 200; ++i) {
      now_ += milliseconds(100);
      progress.Update("reading", i, 200);
    }
  }
  EXPECT_EQ(Lines(), 4);
  EXPECT_EQ(err_.str().find('\r'), std::string::npos);
  EXPECT_EQ(err_.str().find('\033'), std::string::npos);
}

TEST_F(ProgressTest, RedrawsOneLineOfATerminalAndClearsIt) {
  {
    Progress progress(err_, true, "tokens", Now());
    progress.Update("reading", 1, 2);
    now_ += seconds(1);
    progress.Update("reading", 2, 2);
  }
  EXPECT_EQ(Lines(), 0);
  EXPECT_NE(err_.str().find("100%"), std::string::npos);
  EXPECT_TRUE(err_.str().ends_with("\r\033[K"));
}

TEST_F(ProgressTest, DoesNotFloodATerminal) {
  Progress progress(err_, true, "tokens", Now());
  progress.Update("reading", 1, 200);
  const size_t first = err_.str().size();
  now_ += milliseconds(50);
  progress.Update("reading", 2, 200);
  EXPECT_EQ(err_.str().size(), first);
  progress.Update("correlating", 2, 200);
  EXPECT_GT(err_.str().size(), first);
}

TEST_F(ProgressTest, TellsTheTimeLeftFromTheWorkItHasSeen) {
  Progress progress(err_, true, "tokens", Now());
  progress.Update("reading", 100, 200);
  now_ += seconds(10);
  progress.Update("reading", 150, 200);
  EXPECT_NE(err_.str().find("0:10 left"), std::string::npos) << err_.str();
}

}  // namespace
}  // namespace homolog::cli
