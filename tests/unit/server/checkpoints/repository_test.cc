#include "server/checkpoints/repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/datasets/tokenizer_folder.h"
#include "tests/support/temporary_folder.h"

namespace homolog::checkpoints {
namespace {

namespace fs = std::filesystem;
using ::homolog::testing::TemporaryFolder;
using ::homolog::testing::WriteFile;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> ShortNames(const Repository& repository) {
  std::vector<std::string> names;
  for (const CheckpointName& name : repository.List()) names.push_back(name.ToShortString());
  return names;
}

TEST(StepLessTest, OrdersDigitsByValueAndOtherNamesAfterThem) {
  std::vector<std::string> steps = {"main",
                                    "10",
                                    "9",
                                    "0",
                                    "best",
                                    "1000",
                                    "36893488147419103232",  // 2^65
                                    "36893488147419103231",
                                    "-1",
                                    "1e3"};
  std::sort(steps.begin(), steps.end(), StepLess);
  EXPECT_THAT(steps, ElementsAre("0", "9", "10", "1000", "36893488147419103231",
                                 "36893488147419103232", "-1", "1e3", "best", "main"));
}

TEST(StepLessTest, IsAStrictOrderAlsoAmongEqualValuesWithLeadingZeros) {
  const std::vector<std::string> steps = {"", "0", "00", "000", "7", "07", "007", "8", "x"};
  for (const std::string& a : steps) {
    EXPECT_FALSE(StepLess(a, a)) << a;
    for (const std::string& b : steps) {
      if (a == b) continue;
      EXPECT_NE(StepLess(a, b), StepLess(b, a)) << a << " " << b;
    }
  }
  EXPECT_TRUE(StepLess("007", "8"));
  EXPECT_TRUE(StepLess("7", "08"));
  EXPECT_TRUE(StepLess("00", "1"));
}

class RepositoryTest : public ::testing::Test {
 protected:
  Repository Open() { return *Repository::Open((folder_ / "models").string()); }
  void AddCheckpoint(const std::string& name) {
    WriteFile(folder_ / ("models/" + name) / "config.json", "{}");
  }

  TemporaryFolder folder_;
};

TEST_F(RepositoryTest, RefusesARootThatIsNoFolder) {
  WriteFile(folder_ / "file", "x");
  for (const std::string path : {"file", "nothing"}) {
    const auto repository = Repository::Open((folder_ / path).string());
    EXPECT_EQ(ErrorReason(repository.status()), "REPOSITORY_NOT_FOUND") << path;
    EXPECT_THAT(std::string(repository.status().message()), HasSubstr(path));
  }
  EXPECT_EQ(ErrorReason(Repository::Open("").status()), "REPOSITORY_NOT_FOUND");
}

TEST_F(RepositoryTest, ListsModelsByNameAndStepsByValue) {
  for (const char* name : {"b/10", "b/9", "b/main", "a/1", "B/1"}) AddCheckpoint(name);
  EXPECT_THAT(ShortNames(Open()), ElementsAre("B/1", "a/1", "b/9", "b/10", "b/main"));
}

TEST_F(RepositoryTest, LeavesOutWhatIsNoCheckpoint) {
  AddCheckpoint("a/1");
  WriteFile(folder_ / "models/README.md", "x");
  WriteFile(folder_ / "models/a/tokenizer.json", "{}");
  WriteFile(folder_ / "models/a/2/model.safetensors", "x");  // without a config.json
  AddCheckpoint("a/with space");
  AddCheckpoint("a/new\nline");
  AddCheckpoint("a/\xff");
  AddCheckpoint(absl::StrCat("a/", std::string(129, 'x')));
  AddCheckpoint("caf\xc3\xa9/1");
  fs::create_directories(folder_ / "models/empty");
  EXPECT_THAT(ShortNames(Open()), ElementsAre("a/1"));
}

TEST_F(RepositoryTest, ShowsWhatIsAddedAndNotWhatIsRemovedAfterItWasOpened) {
  AddCheckpoint("a/1");
  const Repository repository = Open();
  AddCheckpoint("a/2");
  fs::remove_all(folder_ / "models/a/1");
  EXPECT_THAT(ShortNames(repository), ElementsAre("a/2"));
  fs::remove_all(folder_ / "models");
  EXPECT_THAT(ShortNames(repository), IsEmpty());
}

TEST_F(RepositoryTest, FollowsLinksThatStayInside) {
  AddCheckpoint("a/100");
  fs::create_directory_symlink("100", folder_ / "models/a/main");
  const Repository repository = Open();
  EXPECT_THAT(ShortNames(repository), ElementsAre("a/100", "a/main"));
  EXPECT_EQ(*repository.Folder({"a", "main"}), *repository.Folder({"a", "100"}));
}

TEST_F(RepositoryTest, DoesNotFollowLinksThatLeadOutOfIt) {
  AddCheckpoint("a/1");
  // Its path begins as the repository's does, which makes it no part of it.
  WriteFile(folder_ / "models-private/secret/1/config.json", "{}");
  fs::create_directory_symlink("../../models-private/secret/1", folder_ / "models/a/2");
  fs::create_directory_symlink("../models-private/secret", folder_ / "models/b");
  fs::create_directory_symlink("c", folder_ / "models/c");  // to itself
  const Repository repository = Open();
  EXPECT_THAT(ShortNames(repository), ElementsAre("a/1"));
  for (const CheckpointName& name :
       {CheckpointName{"a", "2"}, CheckpointName{"b", "1"}, CheckpointName{"c", "1"}}) {
    EXPECT_EQ(ErrorReason(repository.Folder(name).status()), "CHECKPOINT_NOT_FOUND")
        << name.ToString();
  }
}

TEST_F(RepositoryTest, ReadsThroughLinksBetweenItsOwnFiles) {
  // As Hugging Face's cache lays a model out.
  WriteFile(folder_ / "models/blobs/0123", "{}");
  fs::create_directories(folder_ / "models/a/1");
  fs::create_symlink("../../blobs/0123", folder_ / "models/a/1/config.json");
  fs::create_symlink("nothing", folder_ / "models/a/1/model.safetensors");  // opening it says so
  const Repository repository = Open();
  const auto folder = repository.Folder({"a", "1"});
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_TRUE(repository.CheckFiles(*folder).ok());
}

TEST_F(RepositoryTest, NamesAFileThatLeadsOutOfIt) {
  WriteFile(folder_ / "secret", "{}");
  for (const char* file : {"config.json", "model.safetensors", "model-00001-of-00002.safetensors",
                           "model.safetensors.index.json", "pytorch_model.bin", "tokenizer.json",
                           "merges.txt", "../tokenizer.json", "../vocab.json", "../merges.txt"}) {
    AddCheckpoint("a/1");
    const fs::path link = folder_ / "models/a/1" / file;
    fs::remove(link);
    fs::create_symlink(folder_ / "secret", link);
    const Repository repository = Open();
    const absl::Status status = repository.CheckFiles(*repository.Folder({"a", "1"}));
    EXPECT_EQ(ErrorReason(status), "CHECKPOINT_INVALID") << file;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(fs::canonical(folder_ / "secret").string()));
    EXPECT_THAT(std::string(status.message()), HasSubstr(fs::path(file).filename().string()));
    fs::remove_all(folder_ / "models/a");
  }
}

TEST_F(RepositoryTest, NamesEveryFileOfATokenizerAboveItThatLeadsOut) {
  WriteFile(folder_ / "secret", "{}");
  for (const char* file : datasets::TokenizerFileNames()) {
    AddCheckpoint("a/1");
    fs::create_symlink(folder_ / "secret", folder_ / "models/a" / file);
    const Repository repository = Open();
    const absl::Status status = repository.CheckFiles(*repository.Folder({"a", "1"}));
    EXPECT_EQ(ErrorReason(status), "CHECKPOINT_INVALID") << file;
    EXPECT_THAT(std::string(status.message()), HasSubstr(file));
    fs::remove_all(folder_ / "models/a");
  }
}

TEST_F(RepositoryTest, LeavesFilesAloneThatNobodyReads) {
  AddCheckpoint("a/1");
  WriteFile(folder_ / "secret", "{}");
  fs::create_symlink(folder_ / "secret", folder_ / "models/a/1/README.md");
  // Above a checkpoint a tokenizer is read, and nothing else.
  for (const char* file : {"config.json", "model.safetensors", "pytorch_model.bin",
                           "model.safetensors.index.json", "generation_config.json"}) {
    fs::create_symlink(folder_ / "secret", folder_ / "models/a" / file);
  }
  const Repository repository = Open();
  EXPECT_TRUE(repository.CheckFiles(*repository.Folder({"a", "1"})).ok());
}

TEST_F(RepositoryTest, ReadsNoTokenizerBesideIt) {
  WriteFile(folder_ / "models/config.json", "{}");
  WriteFile(folder_ / "tokenizer.json", "{}");
  fs::create_directories(folder_ / "models/a");
  fs::create_directory_symlink("..", folder_ / "models/a/1");  // the repository itself
  const Repository repository = Open();
  EXPECT_EQ(ErrorReason(repository.CheckFiles(*repository.Folder({"a", "1"}))),
            "CHECKPOINT_INVALID");
}

TEST_F(RepositoryTest, IsFoundThroughALinkToItsRoot) {
  AddCheckpoint("a/1");
  fs::create_directory_symlink("models", folder_ / "link");
  const auto repository = Repository::Open((folder_ / "link").string());
  ASSERT_TRUE(repository.ok()) << repository.status();
  EXPECT_THAT(ShortNames(*repository), ElementsAre("a/1"));
}

TEST_F(RepositoryTest, RefusesNamesThatLeaveTheRepository) {
  AddCheckpoint("a/1");
  WriteFile(folder_ / "config.json", "{}");
  const Repository repository = Open();
  for (const CheckpointName& name :
       {CheckpointName{"..", "models"}, CheckpointName{"a", ".."}, CheckpointName{"a", "../.."},
        CheckpointName{"a/1", "x"}, CheckpointName{"", "1"}, CheckpointName{"a", ""},
        CheckpointName{"a", std::string("1\0", 2)}}) {
    EXPECT_EQ(ErrorReason(repository.Folder(name).status()), "INVALID_RESOURCE_ID")
        << name.ToString();
  }
}

TEST_F(RepositoryTest, SaysWhereACheckpointWouldHaveToBe) {
  AddCheckpoint("a/1");
  const absl::Status status = Open().Folder({"a", "2"}).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("a/2/config.json"));
}

}  // namespace
}  // namespace homolog::checkpoints
