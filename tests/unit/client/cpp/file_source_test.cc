#include "client/cpp/file_source.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace homolog::client {
namespace {

class FileSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "file_source_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& content) const {
    const std::string path = folder_ / "file";
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  std::filesystem::path folder_;
};

TEST_F(FileSourceTest, GivesTheFileInPiecesOfOneMebibyte) {
  std::string content(FileSource::kPieceBytes + 5, 'a');
  content[FileSource::kPieceBytes] = 'b';
  const auto file = FileSource::Open(Write(content));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->size(), static_cast<int64_t>(content.size()));
  EXPECT_EQ((*file)->Next()->size(), FileSource::kPieceBytes);
  EXPECT_EQ((*file)->position(), static_cast<int64_t>(FileSource::kPieceBytes));
  EXPECT_EQ(*(*file)->Next(), "baaaa");
  EXPECT_EQ(*(*file)->Next(), "");
  EXPECT_EQ((*file)->position(), static_cast<int64_t>(content.size()));
}

TEST_F(FileSourceTest, GivesNothingOfAnEmptyFile) {
  EXPECT_EQ(*(*FileSource::Open(Write("")))->Next(), "");
}

TEST_F(FileSourceTest, NamesAFileThatIsNotThere) {
  const absl::Status status = FileSource::Open(folder_ / "missing").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(std::string(status.message()).find("missing"), std::string::npos);
}

TEST_F(FileSourceTest, FailsToReadAFolder) {
  const auto file = FileSource::Open(folder_);
  ASSERT_TRUE(file.ok());
  EXPECT_FALSE((*file)->Next().ok());
}

}  // namespace
}  // namespace homolog::client
