#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "reading.h"
#include "server/datasets/token_reader.h"

namespace homolog::datasets {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What numpy.save(f, numpy.array([[0, 1, 258], [50256, 7, 65535]], dtype='<u2')) writes: version
// 1.0, the header padded with spaces and a line feed so that the data start at a multiple of 64.
std::string SavedByNumpy() {
  std::string file("\x93NUMPY\x01\x00\x76\x00", 10);
  file += "{'descr': '<u2', 'fortran_order': False, 'shape': (2, 3), }";
  file += std::string(128 - 1 - file.size(), ' ') + "\n";
  file += std::string("\x00\x00\x01\x00\x02\x01\x50\xC4\x07\x00\xFF\xFF", 12);
  return file;
}

std::string LittleEndian(int64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>((value >> (8 * i)) & 0xFF));
  return text;
}

// A file of format version `major` with this header and data.
std::string File(const std::string& header, const std::string& data, int major = 1) {
  return absl::StrCat("\x93NUMPY", LittleEndian(major, 1), LittleEndian(0, 1),
                      LittleEndian(header.size(), major == 1 ? 2 : 4), header, data);
}

std::string Header(const std::string& descr, const std::string& shape) {
  return absl::StrCat("{'descr': '", descr, "', 'fortran_order': False, 'shape': ", shape, ", }\n");
}

std::string Data(const std::vector<int64_t>& ids, int bytes) {
  std::string data;
  for (const int64_t id : ids) data += LittleEndian(id, bytes);
  return data;
}

Outcome ReadInPieces(const std::string& file, size_t piece, int64_t vocabulary_size) {
  return ReadPieces(*MakeNpyReader(vocabulary_size), file, piece);
}

Outcome Read(const std::string& file, int64_t vocabulary_size = 1 << 30) {
  return ReadInPieces(file, std::max<size_t>(file.size(), 1), vocabulary_size);
}

// Refused alike in one piece and byte by byte, with all of `parts` in the message.
void ExpectMalformed(const std::string& file, const std::vector<std::string>& parts) {
  for (const Outcome& outcome : {Read(file), ReadInPieces(file, 1, 1 << 30)}) {
    EXPECT_EQ(outcome.status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(ErrorReason(outcome.status), "MALFORMED_NPY");
    for (const std::string& part : parts) EXPECT_THAT(outcome.status.message(), HasSubstr(part));
  }
}

void ExpectMalformedHeader(const std::string& header, const std::vector<std::string>& parts) {
  SCOPED_TRACE(header);
  ExpectMalformed(File(header, Data({1, 2}, 4)), parts);
}

TEST(NpyReaderTest, ReadsWhatNumpySaves) {
  const Outcome outcome = Read(SavedByNumpy());
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_THAT(outcome.ids, ElementsAre(0, 1, 258, 50256, 7, 65535));
}

TEST(NpyReaderTest, ReadsTheSameIdsHoweverTheFileIsCut) {
  const std::string wide = File(Header("<i8", "(4,)"), Data({1, 2, 300, 70000}, 8));
  for (const std::string& file : {SavedByNumpy(), wide}) {
    const Outcome whole = Read(file);
    ASSERT_TRUE(whole.status.ok()) << whole.status;
    for (size_t piece = 1; piece < file.size(); ++piece) {
      const Outcome cut = ReadInPieces(file, piece, 1 << 30);
      EXPECT_TRUE(cut.status.ok()) << cut.status << " in pieces of " << piece;
      EXPECT_EQ(cut.ids, whole.ids) << "in pieces of " << piece;
    }
  }
}

TEST(NpyReaderTest, ReadsEveryAcceptedType) {
  for (const auto& [descr, bytes] :
       std::vector<std::pair<std::string, int>>{{"<u2", 2}, {"<i4", 4}, {"<i8", 8}}) {
    const Outcome outcome = Read(File(Header(descr, "(3,)"), Data({0, 40000, 12}, bytes)));
    EXPECT_TRUE(outcome.status.ok()) << descr << ": " << outcome.status;
    EXPECT_THAT(outcome.ids, ElementsAre(0, 40000, 12)) << descr;
  }
}

TEST(NpyReaderTest, ReadsEveryFormatVersion) {
  for (const int major : {1, 2, 3}) {
    const Outcome outcome = Read(File(Header("<i4", "(2,)"), Data({5, 6}, 4), major));
    EXPECT_TRUE(outcome.status.ok()) << major << ": " << outcome.status;
    EXPECT_THAT(outcome.ids, ElementsAre(5, 6)) << major;
  }
}

TEST(NpyReaderTest, ReadsTheSpellingsThatPythonAllows) {
  for (const std::string header :
       {"{'shape':(2,),'descr':'<i4','fortran_order':False}",
        "{\"descr\": \"<i4\", \"fortran_order\": False, \"shape\": (1, 2)}",
        "  { 'descr' : '<i4' , 'fortran_order' : False , 'shape' : ( 2 , 1 , ) , }  \n"}) {
    const Outcome outcome = Read(File(header, Data({5, 6}, 4)));
    EXPECT_TRUE(outcome.status.ok()) << header << ": " << outcome.status;
    EXPECT_THAT(outcome.ids, ElementsAre(5, 6)) << header;
  }
}

TEST(NpyReaderTest, ReadsAnArrayWithoutElements) {
  for (const std::string shape : {"(0,)", "(0, 7)", "(1000000, 0)"}) {
    const Outcome outcome = Read(File(Header("<i4", shape), ""));
    EXPECT_TRUE(outcome.status.ok()) << shape << ": " << outcome.status;
    EXPECT_THAT(outcome.ids, ElementsAre()) << shape;
  }
}

TEST(NpyReaderTest, ReadsAHeaderOfSixtyFourKibibytesAndNoMore) {
  const auto header = [](size_t size) {
    const std::string text = Header("<i4", "(1,)");
    return text + std::string(size - text.size(), ' ');
  };
  EXPECT_TRUE(Read(File(header(64 * 1024), Data({1}, 4), 2)).status.ok());
  ExpectMalformed(File(header(64 * 1024 + 1), Data({1}, 4), 2), {"65537 bytes"});
}

TEST(NpyReaderTest, RefusesAHugeHeaderBeforeReadingIt) {
  const auto reader = MakeNpyReader(10);
  const std::string start = absl::StrCat("\x93NUMPY", LittleEndian(2, 2), "\xFF\xFF\xFF\xFF");
  const absl::Status status = reader->Feed(start, NoIds);
  EXPECT_EQ(ErrorReason(status), "MALFORMED_NPY");
  EXPECT_THAT(status.message(), HasSubstr("4294967295 bytes"));
}

TEST(NpyReaderTest, RefusesOtherFiles) {
  ExpectMalformed("PK\x03\x04 a zip archive", {"PK\\x03\\x04", "NUMPY"});
  ExpectMalformed("once upon a time", {"once u"});
}

TEST(NpyReaderTest, RefusesOtherVersions) {
  std::string file = SavedByNumpy();
  file[6] = 4;
  ExpectMalformed(file, {"4.0", "1.0, 2.0 and 3.0"});
  file[6] = 0;
  ExpectMalformed(file, {"0.0"});
  file[6] = 1;
  file[7] = 9;
  ExpectMalformed(file, {"1.9"});
}

TEST(NpyReaderTest, RefusesOtherTypesNamingThemAndWhatIsAccepted) {
  for (const std::string descr :
       {"<f4", ">i4", "|u1", "<i2", "<u4", "<u8", "|O", "<U5", "i4", "", "|b1"}) {
    ExpectMalformedHeader(Header(descr, "(2,)"), {absl::StrCat("\"", descr, "\""), "'<u2'"});
  }
  ExpectMalformedHeader("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (2,)}",
                        {"fields", "'<i4'"});
}

TEST(NpyReaderTest, RefusesFortranOrder) {
  ExpectMalformedHeader("{'descr': '<i4', 'fortran_order': True, 'shape': (1, 2)}",
                        {"Fortran", "ascontiguousarray"});
}

TEST(NpyReaderTest, RefusesOtherNumbersOfDimensions) {
  ExpectMalformedHeader(Header("<i4", "()"), {"0 dimensions"});
  ExpectMalformedHeader(Header("<i4", "(1, 1, 2)"), {"3 dimensions"});
}

TEST(NpyReaderTest, RefusesShapesThatAreNone) {
  for (const std::string shape : {"(2)", "2", "[2]", "(-2,)", "(2.0,)", "(2L,)", "(,)", "(2,,)",
                                  "(1 2)", "(0x2,)", "(99999999999999999999,)", "(2", "'2'"}) {
    ExpectMalformedHeader(Header("<i4", shape), {});
  }
}

TEST(NpyReaderTest, RefusesAShapeWhoseSizeOverflows) {
  for (const std::string shape :
       {"(4294967296, 4294967296)", "(9223372036854775807,)", "(4611686018427387904, 4)"}) {
    ExpectMalformedHeader(Header("<i4", shape), {"2^63"});
  }
}

TEST(NpyReaderTest, RefusesHeadersThatAreNotTheDictionary) {
  const std::string good = "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }";
  ASSERT_TRUE(Read(File(good, Data({1, 2}, 4))).status.ok());
  ExpectMalformedHeader(good + "x", {"after the dictionary"});
  ExpectMalformedHeader(good + good, {"after the dictionary"});
  for (size_t size = 1; size < good.size(); ++size) ExpectMalformedHeader(good.substr(0, size), {});
  ExpectMalformedHeader("{}", {"lacks", "descr"});
  ExpectMalformedHeader("{'descr': '<i4', 'shape': (2,)}", {"lacks", "fortran_order"});
  ExpectMalformedHeader("{'descr': '<i4', 'fortran_order': False}", {"lacks", "shape"});
  ExpectMalformedHeader("{'descr': '<i4', 'fortran_order': 0, 'shape': (2,)}", {"True or False"});
  ExpectMalformedHeader("{'descr': '<i4' 'fortran_order': False, 'shape': (2,)}", {"'}'"});
  ExpectMalformedHeader("{'descr': '<i4', 'descr': '<i4', 'fortran_order': False, 'shape': (2,)}",
                        {"twice"});
  ExpectMalformedHeader("{'descr': '<i4', 'fortran_order': False, 'shape': (2,), 'more': 1}",
                        {"more"});
  ExpectMalformedHeader("{'descr': __import__('os').system('ls'), 'shape': (2,)}", {"quotes"});
  ExpectMalformedHeader(std::string("\0\0\0\0", 4), {});
}

TEST(NpyReaderTest, RefusesDataShorterThanTheHeaderSays) {
  const std::string file = SavedByNumpy();
  for (size_t size = 0; size < file.size(); ++size) {
    const Outcome outcome = Read(file.substr(0, size));
    EXPECT_EQ(ErrorReason(outcome.status), "MALFORMED_NPY") << size << " bytes";
  }
  ExpectMalformed(file.substr(0, file.size() - 1), {"6 ids", "after 5"});
}

TEST(NpyReaderTest, RefusesDataLongerThanTheHeaderSays) {
  const std::string file = SavedByNumpy();
  for (const int more : {1, 2, 100}) {
    ExpectMalformed(file + std::string(more, '\0'), {"go on after the 6 ids"});
  }
}

TEST(NpyReaderTest, RefusesIdsOutsideTheVocabularyNamingPositionAndId) {
  const std::string file = File(Header("<i4", "(2, 2)"), Data({0, 99, 100, 3}, 4));
  EXPECT_TRUE(Read(file, 101).status.ok());
  const absl::Status status = Read(file, 100).status;
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(status), "TOKEN_OUT_OF_RANGE");
  EXPECT_THAT(status.message(), HasSubstr("token id 100 at position 2"));
  EXPECT_THAT(status.message(), HasSubstr("0 to 99"));
}

TEST(NpyReaderTest, RefusesNegativeIdsAndIdsBeyondThirtyTwoBits) {
  const auto reason = [](int64_t id) {
    return ErrorReason(Read(File(Header("<i8", "(1,)"), Data({id}, 8)), int64_t{1} << 40).status);
  };
  EXPECT_EQ(reason(-1), "TOKEN_OUT_OF_RANGE");
  EXPECT_EQ(reason(int64_t{1} << 32), "TOKEN_OUT_OF_RANGE");
  EXPECT_EQ(reason(int64_t{1} << 31), "TOKEN_OUT_OF_RANGE");
  EXPECT_EQ(reason(std::numeric_limits<int32_t>::max()), "");
}

TEST(NpyReaderTest, HandsOnIdsInBoundedBatchesAndStopsWhereItIsTold) {
  const std::string file = File(Header("<u2", "(1000000,)"), std::string(2 * 1000000, '\0'));
  const auto reader = MakeNpyReader(1);
  int batches = 0;
  const auto stop_at_two = [&](std::span<const int32_t> ids) {
    EXPECT_LE(ids.size(), 256u * 1024);
    return ++batches == 2 ? absl::CancelledError("enough") : absl::OkStatus();
  };
  EXPECT_EQ(reader->Feed(file, stop_at_two).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(batches, 2);
  EXPECT_EQ(reader->Finish(NoIds).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(reader->documents(), 0);
}

TEST(NpyReaderTest, StaysRefusedAfterAnError) {
  const auto reader = MakeNpyReader(100);
  const absl::Status first = reader->Feed("not a numpy file", NoIds);
  EXPECT_FALSE(first.ok());
  EXPECT_EQ(reader->Feed(SavedByNumpy(), NoIds), first);
  EXPECT_EQ(reader->Finish(NoIds), first);
}

}  // namespace
}  // namespace homolog::datasets
