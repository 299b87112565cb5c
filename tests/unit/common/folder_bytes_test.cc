#include "common/folder_bytes.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/support/temporary_folder.h"

namespace homolog {
namespace {

TEST(FolderBytesTest, AddsUpTheFilesInAFolderAndBelow) {
  testing::TemporaryFolder folder;
  testing::WriteFile(folder / "a.log", std::string(10, 'x'));
  testing::WriteFile(folder / "b.sst", std::string(100, 'x'));
  std::filesystem::create_directories(folder / "below" / "it");
  testing::WriteFile(folder / "below" / "it" / "c", std::string(1000, 'x'));
  const std::string path = (folder / ".").string();
  EXPECT_EQ(FolderBytes(path), 1110);
  EXPECT_EQ(FolderBytes(path, ".log"), 10);
  EXPECT_EQ(FolderBytes((folder / "none").string()), 0);
}

}  // namespace
}  // namespace homolog
