#include "server/operations/study_control.h"

#include <gtest/gtest.h>

namespace homolog::operations {
namespace {

struct Seen : analysis::RunControl {
  void OnTotalTokens(int64_t tokens) override { total = tokens; }
  void OnTokens(int64_t tokens) override { done += tokens; }
  void OnResumedTokens(int64_t tokens) override { resumed += tokens; }
  void OnLastingProgress() override { ++lasting; }
  int64_t total = 0, done = 0, resumed = 0;
  int lasting = 0;
};

TEST(StudyControlTest, PassesOnWhatAPartKeepsAndWhatItTookFromASnapshot) {
  Seen seen;
  int64_t tokens = 0;
  StudyControl control(seen, 100, &tokens);
  EXPECT_EQ(seen.total, 100);
  control.BeginPart("first", 60);
  control.OnTotalTokens(60);
  control.OnResumedTokens(40);
  control.OnTokens(20);
  control.OnLastingProgress();
  EXPECT_EQ(seen.resumed, 40);
  EXPECT_EQ(seen.done, 20);
  EXPECT_EQ(seen.lasting, 1);
  EXPECT_EQ(tokens, 20) << "what went through a model now";
  EXPECT_TRUE(control.EndPart().ok());
  control.BeginPart("second", 40);
  EXPECT_EQ(seen.total, 100);
}

}  // namespace
}  // namespace homolog::operations
