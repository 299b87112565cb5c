#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "reading.h"
#include "server/datasets/token_reader.h"
#include "server/datasets/tokenizer.h"
#include "tokenizer_testing.h"

namespace homolog::datasets {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Read {
  absl::Status status;
  std::string text;  // a line feed between documents
  int64_t documents = 0;
};

Read ReadBytes(const std::string& lines, size_t piece = 1 << 30) {
  const auto tokenizer = MakeByteTokenizer();
  const auto reader = MakeJsonlReader(*tokenizer).value();
  const Outcome outcome = ReadPieces(*reader, lines, piece);
  return {outcome.status, {outcome.ids.begin(), outcome.ids.end()}, reader->documents()};
}

void ExpectDocuments(const std::string& lines, const std::string& text, int64_t documents) {
  for (const size_t piece : {size_t{1} << 30, size_t{1}, size_t{2}, size_t{7}}) {
    const Read read = ReadBytes(lines, piece);
    EXPECT_TRUE(read.status.ok()) << read.status;
    EXPECT_EQ(read.text, text) << lines;
    EXPECT_EQ(read.documents, documents) << lines;
  }
}

void ExpectMalformed(const std::string& lines, int line, const std::string& part) {
  for (const size_t piece : {size_t{1} << 30, size_t{1}}) {
    const absl::Status status = ReadBytes(lines, piece).status;
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << lines;
    EXPECT_EQ(ErrorReason(status), "MALFORMED_JSONL");
    EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat("line ", line, " ")));
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
}

TEST(JsonlReaderTest, PutsTheEndOfTextBetweenDocuments) {
  ExpectDocuments("{\"text\":\"one\"}\n{\"text\": \"two\"}\n", "one\ntwo", 2);
  ExpectDocuments("{\"text\":\"one\"}", "one", 1);
  ExpectDocuments("", "", 0);
  const auto tokenizer = Parse([] {
    nlohmann::json file = TinyTokenizerJson();
    file["added_tokens"].push_back(AddedTokenJson(261, "<|endoftext|>", {"special"}));
    return file;
  }());
  const auto reader = MakeJsonlReader(*tokenizer).value();
  const Outcome outcome =
      ReadPieces(*reader, "{\"text\":\"hell\"}\n{\"text\":\"hell th\"}\n{\"text\":\"th\"}", 4);
  EXPECT_THAT(outcome.ids, ElementsAre(258, 261, 258, 260, 261, 't', 'h'));
}

TEST(JsonlReaderTest, ReadsLinesOfEveryKind) {
  ExpectDocuments("\xEF\xBB\xBF{\"text\":\"a\"}\r\n\r\n\n  \t\n{\"text\":\"b\"}\r\n\n", "a\nb", 2);
  ExpectDocuments("\xEF\xBB\xBF", "", 0);
}

TEST(JsonlReaderTest, ReadsWhatJsonEscapes) {
  ExpectDocuments(R"({"text":"\u00e9\n\ud83d\ude00 \"}{\\"})", "\u00e9\n\U0001F600 \"}{\\", 1);
}

TEST(JsonlReaderTest, IgnoresOtherKeys) {
  ExpectDocuments(R"({"meta":{"text":3,"a":[{"text":[]}]},"id":1.5e3,"text":"x","ok":null})", "x",
                  1);
  ExpectDocuments(R"({"text":"first","text":"last"})", "last", 1);
}

TEST(JsonlReaderTest, CountsEmptyDocumentsWithoutIds) {
  ExpectDocuments("{\"text\":\"\"}\n{\"text\":\"a\"}\n{\"text\":\"\"}\n{\"text\":\"b\"}\n", "a\nb",
                  4);
  ExpectDocuments("{\"text\":\"a\"}\n{\"text\":\"\"}\n", "a", 2);
}

TEST(JsonlReaderTest, RefusesOtherLinesByTheirNumber) {
  const std::string good = "{\"text\":\"a\"}\n\n{\"text\":\"b\"}\n";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[]", "it is an array"},
      {"\"text\"", "it is a string"},
      {"3", "it is a number"},
      {"null", "it is null"},
      {"{}", "it has no key \"text\""},
      {R"({"Text":"a"})", "it has no key \"text\""},
      {R"({"meta":{"text":"a"}})", "it has no key \"text\""},
      {R"({"text":1})", "its \"text\" is a number"},
      {R"({"text":null})", "its \"text\" is null"},
      {R"({"text":["a"]})", "its \"text\" is an array"},
      {R"({"text":{"text":"a"}})", "its \"text\" is an object"},
      {R"({"text":"a"} {"text":"b"})", "not valid JSON"},
      {R"({"text":"a)", "not valid JSON"},
      {R"({"text":"\ud800"})", "not valid JSON"},
      {"{\"text\":\"\xFF\"}", "not valid JSON"},
      {std::string("{\"text\":\"a\"}\0", 13), "zero byte"},
      {"plain text", "not valid JSON"},
  };
  for (const auto& [line, part] : cases) {
    ExpectMalformed(line, 1, part);
    ExpectMalformed(good + line + "\n" + good, 4, part);
  }
}

TEST(JsonlReaderTest, SurvivesDeepNesting) {
  const std::string deep(100000, '[');
  ExpectMalformed(deep, 1, "it is an array");
  ExpectMalformed("{\"a\":" + deep, 1, "not valid JSON");
  ExpectDocuments("{\"a\":" + deep + std::string(100000, ']') + ",\"text\":\"x\"}", "x", 1);
}

TEST(JsonlReaderTest, RefusesALineBeyondSixtyFourMebibytes) {
  const auto tokenizer = MakeByteTokenizer();
  const auto reader = MakeJsonlReader(*tokenizer).value();
  const std::string piece(1 << 20, ' ');
  absl::Status status = reader->Feed("\n", NoIds);
  int fed = 0;
  for (; status.ok() && fed < 100; ++fed) status = reader->Feed(piece, NoIds);
  EXPECT_EQ(fed, 65);
  EXPECT_EQ(ErrorReason(status), "MALFORMED_JSONL");
  EXPECT_THAT(std::string(status.message()), HasSubstr("line 2 "));
  EXPECT_THAT(std::string(status.message()), HasSubstr("67108864 bytes"));
  EXPECT_EQ(reader->Finish(NoIds), status);
}

TEST(JsonlReaderTest, HandsOnIdsInBoundedBatchesAndStopsWhereItIsTold) {
  const auto tokenizer = MakeByteTokenizer();
  const auto reader = MakeJsonlReader(*tokenizer).value();
  const std::string lines =
      "{\"text\":\"a\"}\n{\"text\":\"" + std::string(1 << 20, 'x') + "\"}\n{\"text\":\"b\"}\n";
  size_t taken = 0;
  const auto sink = [&](std::span<const int32_t> ids) {
    EXPECT_LE(ids.size(), 64u << 10);
    taken += ids.size();
    return taken >= 100000 ? absl::CancelledError("enough") : absl::OkStatus();
  };
  EXPECT_EQ(reader->Feed(lines, sink).code(), absl::StatusCode::kCancelled);
  EXPECT_LT(taken, 200000u);
  EXPECT_EQ(reader->documents(), 2);
  EXPECT_EQ(reader->Finish(NoIds).code(), absl::StatusCode::kCancelled);
}

TEST(JsonlReaderTest, NeedsAnEndOfText) {
  const auto tokenizer = Parse(TinyTokenizerJson());
  const absl::Status status = MakeJsonlReader(*tokenizer).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(status), "NO_END_OF_TEXT");
  EXPECT_THAT(std::string(status.message()), HasSubstr("eos_token"));
}

}  // namespace
}  // namespace homolog::datasets
