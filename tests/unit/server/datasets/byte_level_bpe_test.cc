#include "server/datasets/byte_level_bpe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "tokenizer_testing.h"

namespace homolog::datasets {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ByteLevelBpeTest, MergesInsidePiecesOnly) {
  const auto tokenizer = Parse(TinyTokenizerJson());
  ExpectIds(*tokenizer, "hell the th", {258, 259, 256, 260});
  ExpectIds(*tokenizer, "h ell", {'h', ' ', 'e', 257});
  ExpectIds(*tokenizer, "", {});
}

TEST(ByteLevelBpeTest, MergesAcrossWordsWithoutTheExpression) {
  nlohmann::json file = TinyTokenizerJson();
  file["model"]["merges"].push_back("e \u0120th");
  file["model"]["vocab"]["e\u0120th"] = 261;
  ExpectIds(*Parse(file), "e th", {'e', 260});
  file["pre_tokenizer"]["use_regex"] = false;
  ExpectIds(*Parse(file), "e th", {261});
}

TEST(ByteLevelBpeTest, NormalisesToNfc) {
  nlohmann::json file = TinyTokenizerJson();
  ExpectIds(*Parse(file), "e\u0301", {'e', 0xCC, 0x81});
  file["normalizer"] = {{"type", "NFC"}};
  ExpectIds(*Parse(file), "e\u0301", {0xC3, 0xA9});
  ExpectIds(*Parse(file), "\u1112\u1161\u11ab", {0xED, 0x95, 0x9C});
}

TEST(ByteLevelBpeTest, RefusesEndlessCombiningCharacters) {
  nlohmann::json file = TinyTokenizerJson();
  file["normalizer"] = {{"type", "NFC"}};
  const auto tokenizer = Parse(file);
  std::string marks = "a";
  for (int i = 0; i < 1000; ++i) marks += "\u0301\u0323";  // in the wrong order
  EXPECT_TRUE(Encode(*tokenizer, marks + "b").ok());
  for (int i = 0; i < 500000; ++i) marks += "\u0301\u0323";
  const absl::Status status = Encode(*tokenizer, marks + "b").status();
  EXPECT_EQ(ErrorReason(status), "MALFORMED_TEXT");
  EXPECT_THAT(std::string(status.message()), HasSubstr("4096 bytes of combining"));
}

TEST(ByteLevelBpeTest, DecodesBytesThatAreNoWholeCharacter) {
  const auto tokenizer = Parse(TinyTokenizerJson());
  EXPECT_EQ(tokenizer->Decode({258, 0xC3}).value(), "hell\xC3");
  EXPECT_EQ(tokenizer->Decode({}).value(), "");
}

TEST(ByteLevelBpeTest, RefusesToDecodeAnIdWithoutAText) {
  nlohmann::json file = TinyTokenizerJson();
  file["model"]["vocab"]["far"] = 300;
  const auto tokenizer = Parse(file);
  EXPECT_EQ(tokenizer->vocabulary_size(), 301);
  EXPECT_EQ(tokenizer->Decode({300}).value(), "far");
  for (const int32_t id : {-1, 299, 301}) {
    const absl::Status status = tokenizer->Decode({'a', id}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange);
    EXPECT_EQ(ErrorReason(status), "TOKEN_OUT_OF_RANGE");
    EXPECT_THAT(std::string(status.message()), HasSubstr(absl::StrCat(id)));
  }
}

TEST(ByteLevelBpeTest, RefusesWhatIsNoUtf8SayingWhere) {
  const auto tokenizer = Parse(TinyTokenizerJson());
  const std::string good(100000, 'x');
  for (const std::string bad : {"\xFF", "\xC3(", "\xE2\x82", "\xED\xA0\x80", "\xC3"}) {
    for (const size_t piece : {size_t{1}, size_t{4096}, size_t{1} << 30}) {
      const absl::Status status = Encode(*tokenizer, good + " " + bad, piece).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_EQ(ErrorReason(status), "MALFORMED_TEXT");
      EXPECT_THAT(std::string(status.message()), HasSubstr("at byte 100001 "));
    }
  }
}

TEST(ByteLevelBpeTest, StaysRefusedAfterAnError) {
  const auto tokenizer = Parse(TinyTokenizerJson());
  const auto kept = tokenizer->NewEncoder();
  Ids ids;
  const absl::Status first = kept->Encode("\xFF", ids);
  EXPECT_FALSE(first.ok());
  EXPECT_EQ(kept->Encode("a", ids), first);
  EXPECT_EQ(kept->Finish(ids), first);
}

TEST(ByteLevelBpeTest, BeginsANewDocumentAfterTheEndOfOne) {
  nlohmann::json file = TinyTokenizerJson();
  file["pre_tokenizer"]["add_prefix_space"] = true;
  const auto tokenizer = Parse(file);
  const auto encoder = tokenizer->NewEncoder();
  Ids ids;
  for (const std::string text : {"th", "", "the"}) {
    EXPECT_TRUE(encoder->Encode(text, ids).ok());
    EXPECT_TRUE(encoder->Finish(ids).ok());
  }
  EXPECT_THAT(ids, ElementsAre(260, 259, 256));
  EXPECT_TRUE(encoder->Encode("ab", ids).ok());
  EXPECT_THAT(std::string(encoder->Encode("\xFF", ids).message()), HasSubstr("at byte 2 "));
}

TEST(ByteLevelBpeTest, GivesTheIdsOfALongTextAsItComes) {
  const auto tokenizer = Parse(TinyTokenizerJson());
  const auto encoder = tokenizer->NewEncoder();
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "hell the ";
  Ids ids, most;
  for (size_t at = 0; at < text.size(); at += 1000) {
    ASSERT_TRUE(encoder->Encode(std::string_view(text).substr(at, 1000), ids).ok());
    // Never more than two buffers of text are kept back.
    most.push_back(static_cast<int32_t>(at / 3) - static_cast<int32_t>(ids.size()));
  }
  EXPECT_LE(*std::max_element(most.begin(), most.end()), 2 * (64 << 10));
  ASSERT_TRUE(encoder->Finish(ids).ok());
  EXPECT_EQ(tokenizer->Decode(ids).value(), text);
}

TEST(ByteLevelBpeTest, RefusesAStretchWithoutACertainPlaceBeyondTheLimit) {
  const auto tokenizer = Parse(TinyTokenizerJson());
  const StreamLimits limits = {.gathered = 100, .longest_stretch = 5000};
  EXPECT_TRUE(Encode(*tokenizer, std::string(4990, 'x'), 7, limits).ok());
  EXPECT_TRUE(
      Encode(*tokenizer, std::string(4990, 'x') + "." + std::string(4990, 'x'), 7, limits).ok());
  for (const char c : {'x', ' ', '!', '1'}) {
    const absl::Status status = Encode(*tokenizer, std::string(5100, c), 7, limits).status();
    EXPECT_EQ(ErrorReason(status), "MALFORMED_TEXT");
    EXPECT_THAT(std::string(status.message()), HasSubstr("5000 bytes"));
  }
}

TEST(ByteLevelBpeTest, RefusesSixteenMebibytesOfOneLetter) {
  const auto tokenizer = Parse(TinyTokenizerJson());
  const auto encoder = tokenizer->NewEncoder();
  Ids ids;
  absl::Status status;
  size_t taken = 0;
  for (const std::string piece(1 << 16, 'x'); status.ok() && taken < (32u << 20);
       taken += piece.size()) {
    status = encoder->Encode(piece, ids);
  }
  EXPECT_EQ(ErrorReason(status), "MALFORMED_TEXT");
  EXPECT_LE(taken, (16u << 20) + (2u << 16));
}

TEST(ByteLevelBpeTest, NamesWhatDeterminesIdsInItsDigest) {
  const nlohmann::json base = TinyTokenizerJson();
  const std::string digest = Parse(base)->digest();
  EXPECT_EQ(digest.size(), 64u);
  std::vector<nlohmann::json> others(9, base);
  others[0]["normalizer"] = {{"type", "NFC"}};
  others[1]["pre_tokenizer"]["add_prefix_space"] = true;
  others[2]["pre_tokenizer"]["use_regex"] = false;
  others[3]["model"]["ignore_merges"] = true;
  others[4]["model"]["vocab"]["x\u0120"] = 261;
  others[5]["model"]["merges"].erase(4);
  std::swap(others[6]["model"]["merges"][0], others[6]["model"]["merges"][1]);
  others[7]["added_tokens"].push_back(AddedTokenJson(261, "xy"));
  others[8]["added_tokens"].push_back(AddedTokenJson(261, "xy", {"lstrip"}));
  std::vector<std::string> digests = {digest};
  for (const nlohmann::json& other : others) digests.push_back(Parse(other)->digest());
  std::sort(digests.begin(), digests.end());
  EXPECT_EQ(std::unique(digests.begin(), digests.end()), digests.end());
}

TEST(ByteLevelBpeTest, LeavesWhatDoesNotDetermineIdsOutOfItsDigest) {
  const nlohmann::json base = TinyTokenizerJson();
  nlohmann::json same = base;
  same["model"]["unk_token"] = "<unk>";
  same["model"]["fuse_unk"] = true;
  same["normalizer"] = {{"type", "Sequence"}, {"normalizers", nlohmann::json::array()}};
  same["decoder"] = {{"type", "ByteLevel"}};
  for (nlohmann::json& merge : same["model"]["merges"]) {
    const auto text = merge.get<std::string>();
    const size_t space = text.find(' ');
    merge = {text.substr(0, space), text.substr(space + 1)};
  }
  EXPECT_EQ(Parse(same)->digest(), Parse(base)->digest());
}

}  // namespace
}  // namespace homolog::datasets
