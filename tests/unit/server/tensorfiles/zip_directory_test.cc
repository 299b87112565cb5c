#include "server/tensorfiles/zip_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/error.h"
#include "tests/unit/server/tensorfiles/torch_bytes.h"

namespace homolog::tensorfiles {
namespace {

using ::homolog::testing::Little;
using ::homolog::testing::ZipOf;
using ::homolog::testing::ZipOptions;
using ::homolog::testing::ZipPart;
using ::testing::HasSubstr;

const std::vector<ZipPart> kParts = {{"a", "first"}, {"b/c", ""}, {"d", std::string(1000, 'x')}};

std::string Data(const std::string& file, const ZipRecord& record) {
  return file.substr(record.begin, record.size);
}

void ExpectMalformed(const std::string& file, const std::string& problem) {
  const absl::Status status = ParseZip(file).status();
  EXPECT_EQ(ErrorReason(status), "MALFORMED_ZIP") << problem;
  EXPECT_THAT(std::string(status.message()), HasSubstr(problem));
}

// `file` with the bytes at `at` replaced.
std::string With(std::string file, size_t at, const std::string& bytes) {
  return file.replace(at, bytes.size(), bytes);
}

size_t Directory(const std::string& file) { return file.find("PK\1\2"); }
size_t End(const std::string& file) { return file.rfind("PK\5\6"); }

TEST(ZipDirectoryTest, FindsEveryRecordWithOrWithoutZip64AndSizesThatFollow) {
  for (const bool zip64 : {false, true}) {
    for (const bool follow : {false, true}) {
      const std::string file = ZipOf(kParts, {.zip64 = zip64, .sizes_follow = follow});
      const auto records = ParseZip(file);
      ASSERT_TRUE(records.ok()) << records.status();
      ASSERT_EQ(records->size(), kParts.size());
      for (const ZipPart& part : kParts) {
        EXPECT_EQ(Data(file, records->at(part.name)), part.data) << part.name;
        EXPECT_TRUE(CheckCrc(file, part.name, records->at(part.name)).ok());
      }
    }
  }
}

TEST(ZipDirectoryTest, ReadsAFileWithoutRecordsAndOneWithAComment) {
  EXPECT_TRUE(ParseZip(ZipOf({}))->empty());
  std::string file = ZipOf(kParts);
  file = With(file, file.size() - 2, Little(7, 2)) + "comment";
  EXPECT_EQ(ParseZip(file)->size(), kParts.size());
}

TEST(ZipDirectoryTest, RefusesEveryTruncation) {
  for (const ZipOptions options : {ZipOptions{}, {true, false}, {false, true}, {true, true}}) {
    const std::string file = ZipOf({{"a", "first"}, {"b", "second"}}, options);
    for (size_t size = 0; size < file.size(); ++size) {
      EXPECT_EQ(ErrorReason(ParseZip(file.substr(0, size)).status()), "MALFORMED_ZIP") << size;
    }
  }
}

TEST(ZipDirectoryTest, RefusesWhatIsCompressedEncryptedOrOnAnotherDisk) {
  const std::string file = ZipOf(kParts);
  const size_t at = Directory(file);
  ExpectMalformed(With(file, at + 10, Little(8, 2)), "is compressed (method 8)");
  ExpectMalformed(With(file, at + 20, Little(4, 4)), "is compressed");
  ExpectMalformed(With(file, at + 8, Little(1, 2)), "encrypts");
  ExpectMalformed(With(file, at + 34, Little(1, 2)), "is on another disk");
  ExpectMalformed(With(file, End(file) + 4, Little(1, 2)), "several disks");
  ExpectMalformed(With(file, End(file) + 8, Little(1, 2)), "several disks");
}

TEST(ZipDirectoryTest, RefusesSizesAndOffsetsThatLie) {
  const std::string file = ZipOf(kParts);
  const size_t at = Directory(file);
  ExpectMalformed(With(file, at + 20, Little(0xFFFFFFF0, 4) + Little(0xFFFFFFF0, 4)), "beyond");
  ExpectMalformed(With(file, at + 20, Little(6, 4) + Little(6, 4)), "disagree");
  ExpectMalformed(With(file, at + 42, Little(0xFFFFFFF0, 4)), "is not at byte 4294967280");
  ExpectMalformed(With(file, at + 42, Little(1, 4)), "is not at byte 1");
  ExpectMalformed(With(file, at + 20, Little(0xFFFFFFFF, 4)), "no zip64 field");
  ExpectMalformed(With(file, at + 28, Little(0xFFFF, 2)), "breaks off");
  ExpectMalformed(With(file, End(file) + 10, Little(60000, 2)), "several disks");
  ExpectMalformed(With(file, End(file) + 8, Little(60000, 2) + Little(60000, 2)), "too few");
  ExpectMalformed(With(file, End(file) + 8, Little(2, 2) + Little(2, 2)), "goes on after");
  ExpectMalformed(With(file, End(file) + 16, Little(3, 4)), "does not end where");
}

TEST(ZipDirectoryTest, RefusesZip64RecordsThatLie) {
  const std::string file = ZipOf(kParts, {.zip64 = true});
  const size_t locator = file.rfind("PK\6\7"), end = file.rfind("PK\6\6");
  const std::string huge(8, '\xff');
  ExpectMalformed(With(file, locator + 8, huge), "zip64 end record is not at");
  ExpectMalformed(With(file, locator + 16, Little(2, 4)), "several disks");
  ExpectMalformed(With(file, end + 16, Little(1, 4)), "several disks");
  ExpectMalformed(With(file, end + 24, huge + huge), "too few");
  ExpectMalformed(With(file, end + 24, huge), "disagree");
  ExpectMalformed(With(file, end + 40, huge), "does not end where");
  ExpectMalformed(With(file, end + 48, huge), "does not end where");
  ExpectMalformed(With(file, End(file) + 12, Little(5, 4)), "disagree");
  // Size, stored size and offset of the first record, in its extra field.
  const size_t extra = Directory(file) + 46 + 1 + 4;
  ExpectMalformed(With(file, extra, huge + huge), "beyond");
  ExpectMalformed(With(file, extra + 16, huge), "is not at byte");
  ExpectMalformed(With(file, extra - 2, Little(8, 2)), "no zip64 field");
  ExpectMalformed(With(file, extra - 2, Little(0xFFFF, 2)), "no zip64 field");
}

TEST(ZipDirectoryTest, RefusesALocalHeaderThatSaysOtherThanTheDirectory) {
  const std::string file = ZipOf(kParts);
  ExpectMalformed(With(file, 30, "z"), "disagree");           // name
  ExpectMalformed(With(file, 6, Little(0, 2)), "disagree");   // flags
  ExpectMalformed(With(file, 8, Little(8, 2)), "disagree");   // method
  ExpectMalformed(With(file, 14, Little(1, 4)), "disagree");  // CRC
  ExpectMalformed(With(file, 22, Little(1, 4)), "disagree");  // size
  ExpectMalformed(With(file, 28, Little(0xFFFF, 2)), "beyond");
  ExpectMalformed(With(file, 0, "QK"), "is not at byte 0");
}

TEST(ZipDirectoryTest, RefusesNamesThatStandTwice) {
  ExpectMalformed(ZipOf({{"a", "1"}, {"a", "2"}}), "stands twice");
}

TEST(ZipDirectoryTest, RefusesRecordsThatOverlap) {
  // The first record's data hold the second's header and data.
  const std::string inner = ZipOf({{"b", "x"}});
  std::string file = ZipOf({{"a", inner.substr(0, inner.find("PK\1\2"))}, {"b", "x"}});
  const size_t second = file.find("PK\1\2", file.rfind("PK\1\2") - 1);
  file = With(file, second + 42, Little(31, 4));
  ExpectMalformed(file, "overlaps");
}

TEST(ZipDirectoryTest, SeesDataThatWereDamaged) {
  std::string file = ZipOf(kParts);
  const auto records = ParseZip(file);
  ASSERT_TRUE(records.ok());
  file[31] = 'F';
  const absl::Status status = CheckCrc(file, "a", records->at("a"));
  EXPECT_EQ(ErrorReason(status), "MALFORMED_ZIP");
  EXPECT_THAT(std::string(status.message()), HasSubstr("CRC-32"));
}

}  // namespace
}  // namespace homolog::tensorfiles
