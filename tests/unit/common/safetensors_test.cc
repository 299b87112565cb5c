#include "common/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "common/error.h"

namespace homolog {
namespace {

using ::testing::HasSubstr;

// A file of the header `json` and `data_size` zero bytes of tensors.
std::string File(const std::string& json, size_t data_size = 0) {
  std::string file(8, '\0');
  for (size_t i = 0; i < 8; ++i) file[i] = static_cast<char>(uint64_t{json.size()} >> (8 * i));
  return file + json + std::string(data_size, '\0');
}

std::string Tensor(const std::string& name, const std::string& dtype, const std::string& shape,
                   const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":" + offsets + "}";
}

void ExpectRefused(const std::string& file, const std::string& why) {
  const auto header = ParseSafetensors(file);
  EXPECT_EQ(header.status().code(), absl::StatusCode::kInvalidArgument) << why;
  EXPECT_EQ(ErrorReason(header.status()), "MALFORMED_SAFETENSORS") << why;
  EXPECT_THAT(std::string(header.status().message()), HasSubstr(why));
}

TEST(SafetensorsDtypeTest, KnowsNamesAndSizes) {
  EXPECT_EQ(SafetensorsDtypeName(SafetensorsDtype::kBF16), "BF16");
  EXPECT_EQ(SafetensorsDtypeName(SafetensorsDtype::kBool), "BOOL");
  EXPECT_EQ(SafetensorsDtypeSize(SafetensorsDtype::kF64), 8);
  EXPECT_EQ(SafetensorsDtypeSize(SafetensorsDtype::kF16), 2);
  EXPECT_EQ(SafetensorsDtypeSize(SafetensorsDtype::kU8), 1);
}

TEST(SafetensorsTest, ReadsTensorsInTheOrderOfTheirBytes) {
  const std::string json =
      "{\"__metadata__\":{\"format\":\"pt\"}," + Tensor("b", "F32", "[2,3]", "[4,28]") + "," +
      Tensor("a", "F16", "[2]", "[0,4]") + "," + Tensor("scalar", "I64", "[]", "[28,36]") + "}   ";
  const auto header = ParseSafetensors(File(json, 36));
  ASSERT_TRUE(header.ok()) << header.status();
  ASSERT_EQ(header->entries.size(), 3u);
  EXPECT_EQ(header->metadata.at("format"), "pt");
  EXPECT_EQ(header->entries[0].name, "a");
  EXPECT_EQ(header->entries[0].dtype, SafetensorsDtype::kF16);
  EXPECT_EQ(header->entries[1].name, "b");
  EXPECT_EQ(header->entries[1].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(header->entries[1].begin, static_cast<int64_t>(8 + json.size() + 4));
  EXPECT_EQ(header->entries[1].size, 24);
  EXPECT_TRUE(header->entries[2].shape.empty());
}

TEST(SafetensorsTest, ReadsAFileWithoutTensors) {
  const auto header = ParseSafetensors(File("{}"));
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_TRUE(header->entries.empty());
}

TEST(SafetensorsTest, ReadsTensorsWithoutElements) {
  const std::string json = "{" + Tensor("none", "F32", "[0,5]", "[0,0]") + "," +
                           Tensor("one", "U8", "[1]", "[0,1]") + "," +
                           Tensor("end", "F32", "[0]", "[1,1]") + "}";
  const auto header = ParseSafetensors(File(json, 1));
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->entries.size(), 3u);
}

TEST(SafetensorsTest, ReadsEscapesAndUnicodeInNames) {
  const auto header = ParseSafetensors(
      File("{" + Tensor("\\u0061.\\\"b\\\" \xC3\xA9", "U8", "[1]", "[0,1]") + "}", 1));
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->entries[0].name, "a.\"b\" \xC3\xA9");
}

TEST(SafetensorsTest, ReadsWhatHuggingFaceWrote) {
  const char* folder = std::getenv("HOMOLOG_TEST_DATA");
  ASSERT_NE(folder, nullptr);
  std::ifstream in(std::string(folder) + "/golden/gpt2/model.safetensors", std::ios::binary);
  const std::string file{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const auto header = ParseSafetensors(file);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_FALSE(header->entries.empty());
  EXPECT_EQ(header->metadata.at("format"), "pt");
}

TEST(SafetensorsTest, RefusesEveryTruncationOfAGoodFile) {
  const std::string file = File("{" + Tensor("a", "F32", "[2]", "[0,8]") + "}", 8);
  ASSERT_TRUE(ParseSafetensors(file).ok());
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(ParseSafetensors(file.substr(0, size)).ok()) << size << " bytes";
  }
}

TEST(SafetensorsTest, RefusesAFileTooShortForALength) {
  ExpectRefused("", "has 0 bytes");
  ExpectRefused(std::string(7, '\0'), "has 7 bytes");
}

TEST(SafetensorsTest, RefusesAHeaderLengthBeyondTheFile) {
  std::string file = File("{}");
  file[0] = 3;
  ExpectRefused(file, "length 3 is beyond the file, of 10 bytes");
}

TEST(SafetensorsTest, RefusesAHeaderLengthAboveTheLimit) {
  ExpectRefused(std::string(8, '\xFF') + "{}", "length 18446744073709551615 is above the limit");
}

TEST(SafetensorsTest, RefusesAHeaderThatIsNoJsonObject) {
  ExpectRefused(File(""), "must be a JSON object");
  ExpectRefused(File("[]"), "must be a JSON object");
  ExpectRefused(File("null"), "must be a JSON object");
  ExpectRefused(File(" {}"), "must be a JSON object");
  ExpectRefused(File("\xEF\xBB\xBF{}"), "must be a JSON object");
  ExpectRefused(File("{"), "not JSON");
  ExpectRefused(File("{}{}"), "not JSON");
  ExpectRefused(File("{\"a\":}"), "not JSON");
  ExpectRefused(File("{\"\xFF\":{}}"), "not JSON");
}

TEST(SafetensorsTest, RefusesAZeroByteThatWouldHideTheRest) {
  ExpectRefused(File(std::string("{}\0{}", 5)), "zero byte");
}

TEST(SafetensorsTest, RefusesADepthThatNoHeaderHas) {
  const std::string deep(1'000'000, '[');
  ExpectRefused(File("{\"a\":" + deep), "must be a JSON object, not an array");
  ExpectRefused(File("{\"a\":{\"shape\":" + deep), "not an array");
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  ExpectRefused(File(objects), "the field \"a\" is not one of");
}

TEST(SafetensorsTest, RefusesATensorThatStandsTwice) {
  const std::string tensor = Tensor("a", "U8", "[1]", "[0,1]");
  ExpectRefused(File("{" + tensor + "," + tensor + "}", 1), "\"a\" stands twice");
}

TEST(SafetensorsTest, RefusesATensorThatStandsTwiceInDifferentSpellings) {
  ExpectRefused(File("{" + Tensor("a", "U8", "[1]", "[0,1]") + "," +
                         Tensor("\\u0061", "U8", "[1]", "[1,2]") + "}",
                     2),
                "\"a\" stands twice");
}

TEST(SafetensorsTest, RefusesMetadataThatStandsTwice) {
  ExpectRefused(File("{\"__metadata__\":{},\"__metadata__\":{}}"), "stands twice");
  ExpectRefused(File("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}"), "\"k\" stands twice");
}

TEST(SafetensorsTest, RefusesMetadataThatIsNotStrings) {
  ExpectRefused(File("{\"__metadata__\":{\"k\":1}}"), "the metadata \"k\" must be a string");
  ExpectRefused(File("{\"__metadata__\":{\"k\":{}}}"), "the metadata \"k\" must be a string");
  ExpectRefused(File("{\"__metadata__\":[]}"), "must be a JSON object");
}

TEST(SafetensorsTest, RefusesAFieldThatStandsTwice) {
  for (const std::string field : {"\"dtype\":\"U8\"", "\"shape\":[1]", "\"data_offsets\":[0,1]"}) {
    ExpectRefused(File("{\"a\":{" + field + "," + field + "}}", 1), "stands twice");
  }
}

TEST(SafetensorsTest, RefusesAMissingOrUnknownField) {
  ExpectRefused(File("{\"a\":{}}"), "has no dtype");
  ExpectRefused(File("{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,0]}}"), "has no shape");
  ExpectRefused(File("{\"a\":{\"dtype\":\"U8\",\"shape\":[0]}}"), "has no data_offsets");
  ExpectRefused(File("{\"a\":{\"strides\":[1]}}"), "the field \"strides\" is not one of");
}

TEST(SafetensorsTest, RefusesFieldsOfTheWrongType) {
  ExpectRefused(File("{\"a\":1}"), "must be a JSON object, not 1");
  ExpectRefused(File("{\"a\":{\"dtype\":7}}"), "\"dtype\" must be a string, not 7");
  ExpectRefused(File("{\"a\":{\"dtype\":[]}}"), "\"dtype\" must be a string, not an array");
  ExpectRefused(File("{\"a\":{\"shape\":2}}"), "\"shape\" must be an array, not 2");
  ExpectRefused(File("{\"a\":{\"shape\":{}}}"), "\"shape\" must be an array, not an object");
  ExpectRefused(File("{\"a\":{\"shape\":[\"2\"]}}"), "whole number");
  ExpectRefused(File("{\"a\":{\"shape\":[2.0]}}"), "whole number");
  ExpectRefused(File("{\"a\":{\"shape\":[true]}}"), "whole number");
  ExpectRefused(File("{\"a\":{\"shape\":[null]}}"), "whole number");
  ExpectRefused(File("{\"a\":{\"data_offsets\":[0,1.5]}}"), "whole numbers");
}

TEST(SafetensorsTest, RefusesAnUnknownDtype) {
  ExpectRefused(File("{" + Tensor("a", "F31", "[1]", "[0,4]") + "}", 4), "the dtype \"F31\"");
  ExpectRefused(File("{" + Tensor("a", "f32", "[1]", "[0,4]") + "}", 4), "the dtype \"f32\"");
}

TEST(SafetensorsTest, RefusesANegativeOrOverflowingShape) {
  ExpectRefused(File("{" + Tensor("a", "F32", "[-1]", "[0,4]") + "}", 4), "not -1");
  ExpectRefused(File("{" + Tensor("a", "U8", "[18446744073709551615]", "[0,0]") + "}"),
                "overflows");
  ExpectRefused(File("{" + Tensor("a", "U8", "[99999999999999999999999]", "[0,0]") + "}"),
                "whole number");
  ExpectRefused(File("{" + Tensor("a", "F32", "[4294967296,4294967296]", "[0,0]") + "}"),
                "overflows");
  // 2^62 elements of 4 bytes are 2^64: 0 where the overflow is not seen.
  ExpectRefused(File("{" + Tensor("a", "F32", "[4611686018427387904]", "[0,0]") + "}"),
                "overflows");
}

TEST(SafetensorsTest, RefusesTooManyDimensions) {
  std::string shape = "[1";
  for (int i = 0; i < 64; ++i) shape += ",1";
  ExpectRefused(File("{" + Tensor("a", "U8", shape + "]", "[0,1]") + "}", 1),
                "more than 64 dimensions");
}

TEST(SafetensorsTest, RefusesOffsetsThatAreNotAPair) {
  ExpectRefused(File("{" + Tensor("a", "U8", "[0]", "[]") + "}"), "not 0 numbers");
  ExpectRefused(File("{" + Tensor("a", "U8", "[0]", "[0]") + "}"), "not 1 numbers");
  ExpectRefused(File("{" + Tensor("a", "U8", "[1]", "[0,1,2]") + "}", 1), "not more");
  ExpectRefused(File("{" + Tensor("a", "U8", "[1]", "[-1,0]") + "}", 1), "not -1");
  ExpectRefused(File("{" + Tensor("a", "U8", "[1]", "[0,9223372036854775808]") + "}", 1),
                "beyond any file");
}

TEST(SafetensorsTest, RefusesARangeThatDoesNotFitDtypeAndShape) {
  ExpectRefused(File("{" + Tensor("a", "F32", "[2]", "[0,4]") + "}", 4),
                "[0, 4] do not fit the 8 bytes");
  ExpectRefused(File("{" + Tensor("a", "U8", "[1]", "[1,0]") + "}", 1), "do not fit the 1 bytes");
  ExpectRefused(File("{" + Tensor("a", "F32", "[]", "[0,0]") + "}"), "do not fit the 4 bytes");
}

TEST(SafetensorsTest, RefusesOverlappingTensors) {
  ExpectRefused(
      File("{" + Tensor("a", "U8", "[4]", "[0,4]") + "," + Tensor("b", "U8", "[4]", "[2,6]") + "}",
           6),
      "\"b\" at bytes [2, 6) overlaps");
  ExpectRefused(
      File("{" + Tensor("a", "U8", "[4]", "[0,4]") + "," + Tensor("b", "U8", "[4]", "[0,4]") + "}",
           4),
      "overlaps");
}

TEST(SafetensorsTest, RefusesGaps) {
  ExpectRefused(File("{" + Tensor("a", "U8", "[1]", "[1,2]") + "}", 2), "leaves a gap");
  ExpectRefused(
      File("{" + Tensor("a", "U8", "[1]", "[0,1]") + "," + Tensor("b", "U8", "[1]", "[2,3]") + "}",
           3),
      "\"b\" at bytes [2, 3) leaves a gap");
  ExpectRefused(File("{" + Tensor("a", "U8", "[1]", "[0,1]") + "}", 2), "belongs to none");
  ExpectRefused(File("{}", 1), "belongs to none");
}

TEST(SafetensorsTest, RefusesTensorsThatLeaveTheFile) {
  ExpectRefused(File("{" + Tensor("a", "U8", "[4]", "[0,4]") + "}", 3), "leaves the file");
  ExpectRefused(
      File("{" + Tensor("a", "U8", "[1]", "[9223372036854775806,9223372036854775807]") + "}", 1),
      "leaves the file");
}

TEST(SafetensorsTest, SurvivesEveryChangeOfOneByte) {
  const std::string good =
      File("{\"__metadata__\":{\"k\":\"v\"}," + Tensor("a", "F16", "[2,1]", "[0,4]") + "," +
               Tensor("b", "I32", "[]", "[4,8]") + "}",
           8);
  ASSERT_TRUE(ParseSafetensors(good).ok());
  for (size_t i = 0; i < good.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string file = good;
      file[i] = static_cast<char>(byte);
      const auto header = ParseSafetensors(file);
      if (!header.ok()) continue;
      int64_t bytes = 0;
      for (const SafetensorsEntry& entry : header->entries) {
        ASSERT_LE(entry.begin + entry.size, static_cast<int64_t>(file.size()));
        bytes += entry.size;
      }
      ASSERT_EQ(bytes, 8) << "byte " << i << " set to " << byte;
    }
  }
}

}  // namespace
}  // namespace homolog
