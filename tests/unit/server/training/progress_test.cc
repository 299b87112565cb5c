#include "server/training/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>

namespace homolog::training {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ProgressTest, SaysHowFarAndHowLong) {
  EXPECT_EQ(ProgressText({600, 2400, 2.0124, 10}), " 25%  600/2400 steps  loss 2.012  30 s left");
  EXPECT_EQ(ProgressText({100, 2400, 2.0, 10}), "  4%  100/2400 steps  loss 2.000  3:50 min left");
  EXPECT_EQ(ProgressText({0, 10, std::nullopt, 1}), "  0%  0/10 steps");
  EXPECT_EQ(ProgressText({10, 10, 1.5, 61}), "100%  10/10 steps  loss 1.500  61 s");
}

TEST(ProgressTest, DrawsABar) {
  EXPECT_EQ(ProgressBar(0, 10), "[>         ]");
  EXPECT_EQ(ProgressBar(0.5, 10), "[=====>    ]");
  EXPECT_EQ(ProgressBar(1, 10), "[==========]");
  EXPECT_EQ(ProgressBar(7, 10), "[==========]");
}

TEST(ProgressTest, SumsOverTheSeeds) {
  std::ostringstream results, screen;
  Progress progress(3, 100, results, screen, /*terminal=*/true);
  progress.Update({0, 50, 2.0, std::nullopt, false});
  progress.Update({1, 40, 4.0, std::nullopt, false});
  progress.Finish();
  EXPECT_THAT(screen.str(), AllOf(HasSubstr("training 3 seeds"), HasSubstr("90/300"),
                                  HasSubstr("loss 3.000"), HasSubstr("\r")));
  EXPECT_THAT(results.str(), IsEmpty());
}

TEST(ProgressTest, PrintsLossesAsResults) {
  std::ostringstream results, screen;
  Progress progress(1, 100, results, screen, /*terminal=*/false);
  progress.Update({0, 50, 2.0, 2.1234, true});
  progress.Update({0, 60, 2.0, 2.1, false});
  EXPECT_EQ(results.str(),
            "seed 0  step 50  held-out loss 2.1234 nats  checkpoint written\n"
            "seed 0  step 60  held-out loss 2.1000 nats\n");
}

TEST(ProgressTest, WritesPlainLinesWhereThereIsNoTerminal) {
  std::ostringstream results, screen;
  Progress progress(1, 100, results, screen, /*terminal=*/false);
  progress.Update({0, 1, 2.0, std::nullopt, false});
  EXPECT_THAT(screen.str(), IsEmpty()) << "a line only every few seconds";
  progress.Finish();
  EXPECT_EQ(screen.str().find('\r'), std::string::npos);
  EXPECT_EQ(screen.str().back(), '\n');
}

TEST(ReportTest, TravelsAsALine) {
  for (const Report& report : {Report{1, 2, 0.1, 1.0 / 3.0, true}, Report{}}) {
    const std::string line = SerializeReport(report);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_EQ(ParseReport(line), report);
  }
}

TEST(ReportTest, IsNotReadFromAnythingElse) {
  for (const std::string line : {"", "{", "7", "[]", "{}", "{\"seed\":\"x\",\"step\":1}"}) {
    EXPECT_EQ(ParseReport(line), std::nullopt) << line;
  }
}

}  // namespace
}  // namespace homolog::training
