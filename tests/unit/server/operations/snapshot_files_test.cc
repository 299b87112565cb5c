#include "server/operations/snapshot_files.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "server/operations/snapshot_archive.h"
#include "tests/support/temporary_folder.h"

namespace homolog::operations {
namespace {

namespace fs = std::filesystem;
using ::homolog::testing::TemporaryFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kOperation[] = "operations/0001";

class SnapshotFilesTest : public ::testing::Test {
 protected:
  SnapshotSettings Settings() {
    return {(folder_ / "snapshots").string(), std::chrono::seconds(1),
            [this](const std::string& problem) { problems_.push_back(problem); }};
  }
  void Save(SnapshotFiles& files, int64_t number) {
    files.Save("key", [&](analysis::StateArchive& archive) {
      at::Tensor tensor = at::full({3, 2}, number, at::kDouble), undefined;
      std::vector<float> values = {1, 2, static_cast<float>(number)};
      std::string text = "text";
      archive.Part(number);
      archive.Part(tensor, at::kCPU);
      archive.Part(undefined, at::kCPU);
      archive.Part(values);
      archive.Part(text);
    });
  }
  // The number that Load finds, with everything else beside it; -1 where there is none.
  int64_t Load(SnapshotFiles& files) {
    int64_t number = -1;
    const bool found = files.Load("key", [&](analysis::StateArchive& archive) {
      at::Tensor tensor, undefined = at::ones({1});
      std::vector<float> values;
      std::string text;
      archive.Part(number);
      archive.Part(tensor, at::kCPU);
      archive.Part(undefined, at::kCPU);
      archive.Part(values);
      archive.Part(text);
      EXPECT_TRUE(at::equal(tensor, at::full({3, 2}, number, at::kDouble)));
      EXPECT_FALSE(undefined.defined());
      EXPECT_THAT(values, ElementsAre(1, 2, static_cast<float>(number)));
      EXPECT_EQ(text, "text");
    });
    EXPECT_EQ(found, number >= 0);
    return number;
  }
  fs::path File(int age) { return folder_ / "snapshots" / "0001" / ("key." + std::to_string(age)); }
  void Damage(const fs::path& path) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(40);
    file << 'X';
  }
  size_t FileCount() {
    size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / "snapshots")) {
      count += entry.is_regular_file() ? 1 : 0;
    }
    return count;
  }

  TemporaryFolder folder_;
  std::vector<std::string> problems_;
};

TEST_F(SnapshotFilesTest, GiveBackTheLatestState) {
  SnapshotFiles files(Settings(), kOperation);
  EXPECT_EQ(Load(files), -1);
  Save(files, 7);
  Save(files, 8);
  SnapshotFiles later(Settings(), kOperation);
  EXPECT_EQ(Load(later), 8);
}

TEST_F(SnapshotFilesTest, AreTwoAtMost) {
  SnapshotFiles files(Settings(), kOperation);
  for (int i = 0; i < 5; ++i) Save(files, i);
  EXPECT_EQ(FileCount(), 2U);
}

TEST_F(SnapshotFilesTest, GiveBackTheOneBeforeWhereTheLatestIsDamaged) {
  SnapshotFiles files(Settings(), kOperation);
  Save(files, 1);
  Save(files, 2);
  Damage(File(1));
  EXPECT_EQ(Load(files), 1);
  ASSERT_THAT(problems_, SizeIs(1));
  EXPECT_THAT(problems_[0], HasSubstr("damaged"));
  Damage(File(2));
  EXPECT_EQ(Load(files), -1);
}

TEST_F(SnapshotFilesTest, AreNotReadWhereTheyWereCutShort) {
  SnapshotFiles files(Settings(), kOperation);
  Save(files, 1);
  fs::resize_file(File(1), fs::file_size(File(1)) - 1);
  EXPECT_EQ(Load(files), -1);
  fs::resize_file(File(1), 3);
  EXPECT_EQ(Load(files), -1);
}

TEST_F(SnapshotFilesTest, AreCountedBeforeTheyAreWritten) {
  std::string bytes;
  SnapshotWriter writer([&](std::string_view part) { bytes += part; });
  SnapshotCounter counter;
  for (analysis::StateArchive* archive :
       std::initializer_list<analysis::StateArchive*>{&writer, &counter}) {
    at::Tensor strided = at::ones({3, 4}, at::kDouble).slice(1, 0, 4, 2), undefined;
    int64_t number = 1;
    std::vector<float> values = {1, 2};
    std::string text = "text";
    archive->Part(strided, at::kCPU);
    archive->Part(undefined, at::kCPU);
    archive->Part(number);
    archive->Part(values);
    archive->Part(text);
  }
  EXPECT_EQ(counter.bytes(), bytes.size());
}

TEST_F(SnapshotFilesTest, OfAnotherStateAreAnError) {
  SnapshotFiles files(Settings(), kOperation);
  files.Save("key", [](analysis::StateArchive& archive) {
    int32_t number = 1;
    archive.Part(number);
  });
  EXPECT_THROW(Load(files), std::runtime_error);
}

TEST_F(SnapshotFilesTest, AreForgottenByOperationAndAtTheStart) {
  SnapshotFiles files(Settings(), kOperation), others(Settings(), "operations/0002");
  Save(files, 1);
  Save(others, 2);
  EXPECT_GT(SnapshotBytes(Settings(), kOperation), 0);
  DeleteSnapshots(Settings(), kOperation);
  EXPECT_EQ(SnapshotBytes(Settings(), kOperation), 0);
  EXPECT_EQ(Load(files), -1);
  Save(files, 4);
  DeleteSnapshotsExcept(Settings(), {"operations/0002"});
  EXPECT_EQ(Load(files), -1);
  EXPECT_EQ(Load(others), 2);
}

TEST_F(SnapshotFilesTest, SayWhyOneCouldNotBeKeptAndGoOn) {
  SnapshotSettings settings = Settings();
  std::ofstream(folder_ / "file") << "no folder";
  settings.folder = (folder_ / "file").string();
  SnapshotFiles files(settings, kOperation);
  Save(files, 1);
  EXPECT_THAT(problems_, SizeIs(1));
  EXPECT_EQ(Load(files), -1);
}

TEST_F(SnapshotFilesTest, AreNoneWithoutAFolder) {
  SnapshotFiles files({}, kOperation);
  EXPECT_FALSE(files.IsDue());
  Save(files, 1);
  EXPECT_EQ(Load(files), -1);
}

}  // namespace
}  // namespace homolog::operations
