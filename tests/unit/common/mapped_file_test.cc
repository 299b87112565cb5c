#include "common/mapped_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>

#include "common/error.h"
#include "tests/support/temporary_folder.h"

namespace homolog {
namespace {

namespace fs = std::filesystem;
using ::homolog::testing::TemporaryFolder;
using ::homolog::testing::WriteFile;
using ::testing::HasSubstr;

class MappedFileTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) { return (folder_ / name).string(); }
  // Writes without replacing the file, at a time that is not that of the write before.
  void WriteInPlace(const std::string& path, const std::string& bytes) {
    std::fstream(path, std::ios::in | std::ios::out | std::ios::binary) << bytes;
    fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(1));
  }

  TemporaryFolder folder_;
};

TEST_F(MappedFileTest, GivesTheBytes) {
  const std::string bytes("a\0b\xff", 4);
  WriteFile(Path("f"), bytes);
  const auto file = MappedFile::Open(Path("f"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->bytes(), bytes);
  EXPECT_EQ((*file)->path(), Path("f"));
}

TEST_F(MappedFileTest, GivesNoBytesOfAnEmptyFile) {
  WriteFile(Path("f"), "");
  const auto file = MappedFile::Open(Path("f"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->bytes(), "");
}

TEST_F(MappedFileTest, NamesAFileThatIsMissing) {
  const absl::Status status = MappedFile::Open(Path("none")).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_EQ(ErrorReason(status), "FILE_NOT_FOUND");
  EXPECT_THAT(std::string(status.message()), HasSubstr(Path("none")));
}

TEST_F(MappedFileTest, RefusesAFifoWithoutWaitingForItsWriter) {
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  const absl::Status status = MappedFile::Open(Path("fifo")).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_EQ(ErrorReason(status), "FILE_UNREADABLE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("regular file"));
}

TEST_F(MappedFileTest, RefusesFoldersAndDevices) {
  fs::create_directory(Path("folder"));
  for (const std::string& path : {Path("folder"), std::string("/dev/zero")}) {
    const absl::Status status = MappedFile::Open(path).status();
    EXPECT_EQ(ErrorReason(status), "FILE_UNREADABLE") << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("regular file"));
  }
}

TEST_F(MappedFileTest, SaysWhyALinkToItselfCannotBeRead) {
  fs::create_symlink("loop", Path("loop"));
  const absl::Status status = MappedFile::Open(Path("loop")).status();
  EXPECT_EQ(ErrorReason(status), "FILE_UNREADABLE") << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("symbolic links"));
}

TEST_F(MappedFileTest, KeepsItsBytesWhereTheFileIsReplaced) {
  WriteFile(Path("f"), "old");
  const auto file = MappedFile::Open(Path("f"));
  ASSERT_TRUE(file.ok());
  const std::string signature = (*file)->signature();
  EXPECT_EQ(signature, FileSignature(Path("f")));
  WriteFile(Path("new"), "new");
  fs::rename(Path("new"), Path("f"));
  EXPECT_EQ((*file)->bytes(), "old");
  EXPECT_TRUE((*file)->Unchanged());
  EXPECT_EQ((*file)->signature(), signature);
  EXPECT_NE(FileSignature(Path("f")), signature);
}

TEST_F(MappedFileTest, KnowsThatItWasWrittenTo) {
  WriteFile(Path("f"), "old");
  const auto file = MappedFile::Open(Path("f"));
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE((*file)->Unchanged());
  WriteInPlace(Path("f"), "new");
  EXPECT_FALSE((*file)->Unchanged());
}

TEST_F(MappedFileTest, KeepsItsBytesWherePagesAreReleased) {
  std::string bytes(100'000, 'x');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7);
  WriteFile(Path("f"), bytes);
  const auto file = MappedFile::Open(Path("f"));
  ASSERT_TRUE(file.ok());
  for (const size_t begin : {size_t{0}, size_t{1}, size_t{4096}, size_t{99'999}, size_t{200'000}}) {
    for (const size_t size : {size_t{0}, size_t{5000}, size_t{100'000}, ~size_t{0}}) {
      (*file)->Release(begin, size);
      EXPECT_EQ((*file)->bytes(), bytes) << begin << " " << size;
    }
  }
}

TEST_F(MappedFileTest, HasTheSignatureOfItsPathAloneWhereThereIsNoFile) {
  EXPECT_EQ(FileSignature(Path("none")), Path("none"));
  WriteFile(Path("none"), "x");
  EXPECT_NE(FileSignature(Path("none")), Path("none"));
}

}  // namespace
}  // namespace homolog
