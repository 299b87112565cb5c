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

namespace homolog::datasets {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// One id per character of UTF-8 (its length in bytes), the last one kept back until the end: what
// the text reader must carry between calls for a real tokenizer.
class CharacterEncoder : public Encoder {
 public:
  absl::Status Encode(std::string_view text, std::vector<int32_t>& ids) override {
    for (const char c : text) {
      const bool continues = (static_cast<unsigned char>(c) & 0xC0) == 0x80;
      if (!continues && length_ > 0) EndCharacter(ids);
      ++length_;
    }
    return absl::OkStatus();
  }
  absl::Status Finish(std::vector<int32_t>& ids) override {
    if (length_ > 0) EndCharacter(ids);
    return absl::OkStatus();
  }

 private:
  void EndCharacter(std::vector<int32_t>& ids) {
    ids.push_back(length_);
    length_ = 0;
  }
  int32_t length_ = 0;
};

class CharacterTokenizer : public Tokenizer {
 public:
  std::unique_ptr<Encoder> NewEncoder() const override {
    return std::make_unique<CharacterEncoder>();
  }
  absl::StatusOr<std::string> Decode(const std::vector<int32_t>&) const override { return ""; }
  int64_t vocabulary_size() const override { return 5; }
  std::string digest() const override { return "characters"; }
  std::string kind() const override { return "characters"; }
  std::optional<int32_t> end_of_text() const override { return std::nullopt; }
};

std::vector<int32_t> ReadInPieces(const Tokenizer& tokenizer,
                                  const std::vector<std::string>& pieces) {
  const auto reader = MakeTextReader(tokenizer);
  std::vector<int32_t> ids;
  const auto collect = [&](std::span<const int32_t> more) {
    ids.insert(ids.end(), more.begin(), more.end());
    return absl::OkStatus();
  };
  for (const std::string& piece : pieces) EXPECT_TRUE(reader->Feed(piece, collect).ok());
  EXPECT_TRUE(reader->Finish(collect).ok());
  return ids;
}

TEST(ByteTokenizerTest, GivesEveryByteItsOwnValue) {
  const auto tokenizer = MakeByteTokenizer();
  std::string all;
  std::vector<int32_t> values;
  for (int i = 0; i < 256; ++i) {
    all.push_back(static_cast<char>(i));
    values.push_back(i);
  }
  EXPECT_EQ(ReadInPieces(*tokenizer, {all}), values);
  EXPECT_EQ(tokenizer->Decode(values).value(), all);
}

TEST(ByteTokenizerTest, SaysWhatItIs) {
  const auto tokenizer = MakeByteTokenizer();
  EXPECT_EQ(tokenizer->kind(), "bytes");
  EXPECT_EQ(tokenizer->vocabulary_size(), 256);
  EXPECT_EQ(tokenizer->digest().size(), 64u);
  EXPECT_EQ(tokenizer->digest(), MakeByteTokenizer()->digest());
}

TEST(ByteTokenizerTest, EndsATextWithALineFeed) {
  EXPECT_EQ(MakeByteTokenizer()->end_of_text(), 10);
}

TEST(ByteTokenizerTest, RefusesToDecodeAnIdThatIsNoByte) {
  for (const int32_t id : {-1, 256}) {
    const auto text = MakeByteTokenizer()->Decode({65, id});
    EXPECT_EQ(text.status().code(), absl::StatusCode::kOutOfRange);
    EXPECT_EQ(ErrorReason(text.status()), "TOKEN_OUT_OF_RANGE");
    EXPECT_THAT(text.status().message(), HasSubstr(absl::StrCat(id)));
  }
}

TEST(TextReaderTest, GivesTheSameIdsWhereverTheTextIsCut) {
  const std::string text = "na\xC3\xAFve \xE2\x82\xAC \xF0\x9F\x98\x80!";
  for (const Tokenizer* tokenizer :
       {MakeByteTokenizer().release(), static_cast<Tokenizer*>(new CharacterTokenizer)}) {
    const std::unique_ptr<const Tokenizer> owner(tokenizer);
    const std::vector<int32_t> whole = ReadInPieces(*tokenizer, {text});
    for (size_t first = 0; first <= text.size(); ++first) {
      for (size_t second = first; second <= text.size(); ++second) {
        EXPECT_EQ(
            ReadInPieces(*tokenizer, {text.substr(0, first), text.substr(first, second - first),
                                      text.substr(second)}),
            whole)
            << tokenizer->kind() << " cut at " << first << " and " << second;
      }
    }
  }
}

TEST(TextReaderTest, GivesWhatTheEncoderKeptBackAtTheEnd) {
  EXPECT_THAT(ReadInPieces(CharacterTokenizer(), {"a\xC3", "\xA9"}), ElementsAre(1, 2));
}

TEST(TextReaderTest, CountsOneDocumentWhereThereIsText) {
  const auto tokenizer = MakeByteTokenizer();
  const auto reader = MakeTextReader(*tokenizer);
  EXPECT_TRUE(reader->Feed("", NoIds).ok());
  EXPECT_EQ(reader->documents(), 0);
  const auto ignore = [](std::span<const int32_t>) { return absl::OkStatus(); };
  EXPECT_TRUE(reader->Feed("a", ignore).ok());
  EXPECT_TRUE(reader->Feed("b", ignore).ok());
  EXPECT_EQ(reader->documents(), 1);
}

TEST(TextReaderTest, HandsOnIdsInBoundedBatchesAndStopsWhereItIsTold) {
  const auto tokenizer = MakeByteTokenizer();
  const auto reader = MakeTextReader(*tokenizer);
  int batches = 0;
  const auto stop_at_two = [&](std::span<const int32_t> ids) {
    EXPECT_LE(ids.size(), 64u * 1024);
    return ++batches == 2 ? absl::CancelledError("enough") : absl::OkStatus();
  };
  EXPECT_EQ(reader->Feed(std::string(1 << 20, 'x'), stop_at_two).code(),
            absl::StatusCode::kCancelled);
  EXPECT_EQ(batches, 2);
  EXPECT_EQ(reader->Finish(NoIds).code(), absl::StatusCode::kCancelled);
}

TEST(TextReaderTest, GivesNoIdsForNoText) {
  EXPECT_THAT(ReadInPieces(*MakeByteTokenizer(), {"", ""}), ElementsAre());
}

}  // namespace
}  // namespace homolog::datasets
