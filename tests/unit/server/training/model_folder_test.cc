#include "server/training/model_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "common/error.h"
#include "server/training/checkpoint.h"
#include "temporary_folder.h"

namespace homolog::training {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

Source MakeSource() {
  Source source;
  source.recipe.steps = 20;
  source.recipe.checkpoints = {10};
  source.seed = 4;
  source.text_digest = "abc";
  Resolve(source.recipe);
  return source;
}

class ModelFolderTest : public ::testing::Test {
 protected:
  void AddCheckpoint(int64_t step) {
    fs::create_directories(CheckpointFolder(path_, step));
    std::ofstream(CheckpointFolder(path_, step) / "config.json") << "{}";
    std::ofstream(CheckpointFolder(path_, step) / "model.safetensors") << "weights";
  }
  // As a finished training leaves it.
  void Finish(const Source& source) {
    const auto folder = ModelFolder::Open(path_, source);
    ASSERT_TRUE(folder.ok()) << folder.status();
    for (const int64_t step : source.recipe.checkpoints) AddCheckpoint(step);
  }
  void ExpectRefused(const Source& source, const std::string& difference) {
    const auto plan = PlanFor(path_, source, /*overwrite=*/false);
    ASSERT_FALSE(plan.ok());
    EXPECT_EQ(plan.status().code(), absl::StatusCode::kAlreadyExists);
    EXPECT_THAT(std::string(plan.status().message()), HasSubstr(difference));
    EXPECT_THAT(std::string(plan.status().message()), HasSubstr("--overwrite"));
  }

  TemporaryFolder folder_;
  const fs::path path_ = folder_.path() / "seed4";
};

TEST_F(ModelFolderTest, IsTrainedWhereThereIsNone) {
  EXPECT_EQ(*PlanFor(path_, MakeSource(), false), Plan::kTrain);
  fs::create_directories(path_);
  EXPECT_EQ(*PlanFor(path_, MakeSource(), false), Plan::kTrain);
}

TEST_F(ModelFolderTest, IsSkippedOnceItIsFinished) {
  Finish(MakeSource());
  EXPECT_EQ(*PlanFor(path_, MakeSource(), false), Plan::kSkip);
  EXPECT_EQ(*PlanFor(path_, MakeSource(), true), Plan::kTrain);
}

TEST_F(ModelFolderTest, IsTrainedAgainWhereACheckpointIsMissing) {
  Finish(MakeSource());
  fs::remove(CheckpointFolder(path_, 20) / "model.safetensors");
  EXPECT_EQ(*PlanFor(path_, MakeSource(), false), Plan::kTrain);
}

TEST_F(ModelFolderTest, IsRefusedForAnotherRecipeSeedOrText) {
  Finish(MakeSource());
  Source source = MakeSource();
  source.recipe.layers = 3;
  ExpectRefused(source, "recipe/layers is 2 there and 3 here");
  source = MakeSource();
  source.seed = 5;
  ExpectRefused(source, "seed is 4 there and 5 here");
  source = MakeSource();
  source.text_digest = "abd";
  ExpectRefused(source, "text_sha256");
  EXPECT_EQ(*PlanFor(path_, source, /*overwrite=*/true), Plan::kTrain);
}

TEST_F(ModelFolderTest, IsTrainedWhereAnotherRecipeLeftNoCheckpoint) {
  Source source = MakeSource();
  ASSERT_TRUE(ModelFolder::Open(path_, source).ok());
  source.recipe.layers = 3;
  EXPECT_EQ(*PlanFor(path_, source, false), Plan::kTrain);
}

TEST_F(ModelFolderTest, IsRefusedWhereCheckpointsHaveNoRecord) {
  AddCheckpoint(100);
  ExpectRefused(MakeSource(), "no readable training.json");
  std::ofstream(path_ / "training.json") << "{\"source\": ";
  ExpectRefused(MakeSource(), "no readable training.json");
}

TEST_F(ModelFolderTest, ForgetsTheCheckpointsOfEarlierRunsAndNothingElse) {
  AddCheckpoint(7);
  fs::create_directories(path_ / ".9.partial");
  std::ofstream(path_ / "tokenizer.json") << "{}";
  fs::create_directories(path_ / "main");
  ASSERT_TRUE(ModelFolder::Open(path_, MakeSource()).ok());
  EXPECT_FALSE(fs::exists(path_ / "7"));
  EXPECT_FALSE(fs::exists(path_ / ".9.partial"));
  EXPECT_TRUE(fs::exists(path_ / "tokenizer.json"));
  EXPECT_TRUE(fs::exists(path_ / "main"));
}

TEST_F(ModelFolderTest, IsLockedWhileItIsTrained) {
  {
    const auto first = ModelFolder::Open(path_, MakeSource());
    ASSERT_TRUE(first.ok()) << first.status();
    const auto second = ModelFolder::Open(path_, MakeSource());
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(ErrorReason(second.status()), "MODEL_IN_USE");
  }
  EXPECT_TRUE(ModelFolder::Open(path_, MakeSource()).ok());
}

TEST_F(ModelFolderTest, NamesAFolderThatCannotBeMade) {
  folder_.Write("file", "");
  const auto opened = ModelFolder::Open(folder_.path() / "file" / "seed4", MakeSource());
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(ErrorReason(opened.status()), "FILE_ERROR");
  EXPECT_THAT(std::string(opened.status().message()), HasSubstr("file/seed4"));
}

}  // namespace
}  // namespace homolog::training
