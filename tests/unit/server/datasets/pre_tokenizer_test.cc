#include "server/datasets/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unicode/uchar.h>

#include <string>
#include <vector>

#include "server/datasets/utf8.h"
#include "tokenizer_testing.h"

namespace homolog::datasets {
namespace {

using ::testing::ElementsAre;
using Pieces = std::vector<std::string>;

Pieces Split(PreTokenizer& pre_tokenizer, std::string_view text) {
  Pieces pieces;
  const absl::Status status =
      pre_tokenizer.Split(text, [&](std::string_view piece) { pieces.emplace_back(piece); });
  EXPECT_TRUE(status.ok()) << status;
  return pieces;
}

Pieces Split(std::string_view text) {
  PreTokenizer pre_tokenizer;
  return Split(pre_tokenizer, text);
}

TEST(PreTokenizerTest, SplitsAsGpt2Does) {
  EXPECT_THAT(Split("Hello my  friend, 42nd!"),
              ElementsAre("Hello", " my", " ", " friend", ",", " 42", "nd", "!"));
  EXPECT_THAT(Split("it's we'll'd 'S"), ElementsAre("it", "'s", " we", "'ll", "'d", " '", "S"));
  EXPECT_THAT(Split("a  \n b \t"), ElementsAre("a", "  \n", " b", " \t"));
  EXPECT_THAT(Split(" ' s"), ElementsAre(" '", " s"));
  EXPECT_THAT(Split(""), ElementsAre());
}

TEST(PreTokenizerTest, TakesForSpaceWhatUnicodeCallsWhiteSpace) {
  PreTokenizer pre_tokenizer;
  for (UChar32 c = 0; c < 0x3100; ++c) {
    std::string character;
    AppendUtf8(static_cast<char32_t>(c), character);
    // Behind other white space, white space joins it, and a letter or a sign does not.
    const bool joined = Split(pre_tokenizer, "\n" + character).size() == 1;
    EXPECT_EQ(joined, u_isUWhiteSpace(c)) << std::hex << c;
  }
}

TEST(PreTokenizerTest, LosesNothing) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    const std::string text = RandomText(seed, 500);
    std::string joined;
    for (const std::string& piece : Split(text)) joined += piece;
    EXPECT_EQ(joined, text);
  }
}

TEST(PreTokenizerTest, SplitsTheSameWhereverItSaysThatTextMayBeCut) {
  PreTokenizer pre_tokenizer;
  int cuts = 0;
  for (uint32_t seed = 0; seed < 100; ++seed) {
    const std::string text = RandomText(seed, 30);
    const Pieces whole = Split(pre_tokenizer, text);
    for (size_t at = 1; at < text.size(); ++at) {
      if (InsideCharacter(text, at) || !pre_tokenizer.MayCut(text, at)) continue;
      ++cuts;
      Pieces parts = Split(pre_tokenizer, text.substr(0, at));
      for (std::string& piece : Split(pre_tokenizer, text.substr(at))) parts.push_back(piece);
      EXPECT_EQ(parts, whole) << text << " cut at " << at;
    }
  }
  EXPECT_GT(cuts, 1000);
}

TEST(PreTokenizerTest, SplitsLongRuns) {
  constexpr size_t kSize = 4 << 20;
  EXPECT_EQ(Split(std::string(kSize, ' ') + "a").size(), 2u);
  EXPECT_EQ(Split(std::string(kSize, 'a')).size(), 1u);
  EXPECT_EQ(Split(std::string(kSize, '!')).size(), 1u);
}

}  // namespace
}  // namespace homolog::datasets
