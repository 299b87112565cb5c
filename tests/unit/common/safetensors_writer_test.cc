#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "common/error.h"
#include "common/safetensors.h"

namespace homolog {
namespace {

namespace fs = std::filesystem;

class SafetensorsWriterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "safetensors_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string Path() const { return folder_ / "out.safetensors"; }
  std::string Content() const {
    std::ifstream in(Path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  bool FolderIsEmpty() const { return fs::is_empty(folder_); }

  fs::path folder_;
};

SafetensorsEntry Entry(std::string name, SafetensorsDtype dtype, std::vector<int64_t> shape) {
  SafetensorsEntry entry;
  entry.name = std::move(name);
  entry.dtype = dtype;
  entry.shape = std::move(shape);
  return entry;
}

TEST_F(SafetensorsWriterTest, WritesTheFormatByteForByte) {
  auto writer = SafetensorsWriter::Create(Path(), {Entry("t", SafetensorsDtype::kU8, {3})});
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE((*writer)->Write(0, 0, "abc").ok());
  ASSERT_TRUE((*writer)->Finish().ok());
  const std::string json = R"({"t":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})";
  ASSERT_EQ(json.size(), 53u);
  EXPECT_EQ(Content(), std::string("\x38\0\0\0\0\0\0\0", 8) + json + "   abc");
}

TEST_F(SafetensorsWriterTest, IsReadBackWithMetadataWhateverTheOrderOfWrites) {
  auto writer = SafetensorsWriter::Create(
      Path(),
      {Entry("half", SafetensorsDtype::kF16, {3}), Entry("wide", SafetensorsDtype::kF64, {1}),
       Entry("empty", SafetensorsDtype::kF32, {0, 4})},
      {{"site", "mlp_post"}});
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE((*writer)->Write(0, 4, "ef").ok());
  ASSERT_TRUE((*writer)->Write(1, 0, "12345678").ok());
  ASSERT_TRUE((*writer)->Write(0, 0, "ab").ok());
  ASSERT_TRUE((*writer)->Write(0, 2, "cd").ok());
  ASSERT_TRUE((*writer)->Finish().ok());

  const std::string file = Content();
  const auto header = ParseSafetensors(file);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->metadata.at("site"), "mlp_post");
  for (const SafetensorsEntry& entry : header->entries) {
    const std::string bytes = file.substr(entry.begin, entry.size);
    EXPECT_EQ(bytes, entry.name == "half" ? "abcdef" : entry.name == "wide" ? "12345678" : "");
    EXPECT_EQ(entry.begin % SafetensorsDtypeSize(entry.dtype), 0) << entry.name;
  }
}

TEST_F(SafetensorsWriterTest, IsReadBackWithNamesThatJsonEscapes) {
  const std::string odd = "quote \" backslash \\ line\n \x01 \xC3\xA9";
  auto writer = SafetensorsWriter::Create(Path(), {Entry(odd, SafetensorsDtype::kU8, {0})},
                                          {{"key " + odd, odd}, {"other", ""}});
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE((*writer)->Finish().ok());
  const auto header = ParseSafetensors(Content());
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->entries.at(0).name, odd);
  EXPECT_EQ(header->metadata.at("key " + odd), odd);
  EXPECT_EQ(header->metadata.at("other"), "");
}

TEST_F(SafetensorsWriterTest, LeavesNothingWithoutFinish) {
  {
    auto writer = SafetensorsWriter::Create(Path(), {Entry("t", SafetensorsDtype::kU8, {1})});
    ASSERT_TRUE(writer.ok());
    EXPECT_FALSE(FolderIsEmpty());
    EXPECT_FALSE(fs::exists(Path()));
  }
  EXPECT_TRUE(FolderIsEmpty());
}

TEST_F(SafetensorsWriterTest, KeepsTheFileThatWasThereWithoutFinish) {
  std::ofstream(Path()) << "old";
  { auto writer = SafetensorsWriter::Create(Path(), {Entry("t", SafetensorsDtype::kU8, {1})}); }
  EXPECT_EQ(Content(), "old");
}

TEST_F(SafetensorsWriterTest, RefusesToFinishWithBytesMissing) {
  auto writer = SafetensorsWriter::Create(Path(), {Entry("t", SafetensorsDtype::kU8, {4})});
  ASSERT_TRUE(writer.ok());
  // Four bytes, but one of them twice.
  ASSERT_TRUE((*writer)->Write(0, 0, "ab").ok());
  ASSERT_TRUE((*writer)->Write(0, 1, "bc").ok());
  EXPECT_EQ((*writer)->Finish().code(), absl::StatusCode::kInternal);
  ASSERT_TRUE((*writer)->Write(0, 3, "d").ok());
  EXPECT_TRUE((*writer)->Finish().ok());
  EXPECT_TRUE(Content().ends_with("abcd"));
}

TEST_F(SafetensorsWriterTest, RefusesBytesBeyondTheTensor) {
  auto writer = SafetensorsWriter::Create(
      Path(), {Entry("a", SafetensorsDtype::kU8, {2}), Entry("b", SafetensorsDtype::kU8, {2})});
  ASSERT_TRUE(writer.ok());
  EXPECT_EQ((*writer)->Write(0, 0, "abc").code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ((*writer)->Write(0, 1, "ab").code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ((*writer)->Write(0, -1, "a").code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ((*writer)->Write(0, INT64_MAX, "a").code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ((*writer)->Write(2, 0, "a").code(), absl::StatusCode::kOutOfRange);
}

TEST_F(SafetensorsWriterTest, TakesNothingMoreOnceFinished) {
  auto writer = SafetensorsWriter::Create(Path(), {});
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE((*writer)->Finish().ok());
  EXPECT_EQ((*writer)->Finish().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ((*writer)->Write(0, 0, "").code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SafetensorsWriterTest, RefusesTensorsThatNoReaderWouldTake) {
  const auto u8 = SafetensorsDtype::kU8;
  const std::vector<std::vector<SafetensorsEntry>> bad = {
      {Entry("a", u8, {1}), Entry("a", u8, {1})},
      {Entry("__metadata__", u8, {1})},
      {Entry("\xFF", u8, {1})},
      {Entry("a", u8, {-1})},
      {Entry("a", u8, {INT64_MAX, 2})},
      {Entry("a", u8, {INT64_MAX}), Entry("b", u8, {INT64_MAX})},
  };
  for (const auto& entries : bad) {
    EXPECT_EQ(ErrorReason(SafetensorsWriter::Create(Path(), entries).status()), "INVALID_TENSOR");
  }
  EXPECT_EQ(ErrorReason(SafetensorsWriter::Create(Path(), {}, {{"k", "\xFF"}}).status()),
            "INVALID_TENSOR");
  EXPECT_TRUE(FolderIsEmpty());
}

TEST_F(SafetensorsWriterTest, NamesThePathThatCannotBeCreated) {
  const std::string path = folder_ / "missing" / "out.safetensors";
  const absl::Status status = SafetensorsWriter::Create(path, {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(std::string(status.message()).find(path), std::string::npos);
}

}  // namespace
}  // namespace homolog
