// Expectations follow added_vocabulary.rs of Hugging Face tokenizers.
#include "server/datasets/added_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tokenizer_testing.h"

namespace homolog::datasets {
namespace {

using ::testing::ElementsAre;

// "text" for text, "7=text" for the token 7 in its place.
std::vector<std::string> Split(const std::vector<AddedToken>& tokens, const std::string& text) {
  std::vector<std::string> parts;
  for (const TextPart& part : AddedTokenMatcher(tokens).Split(text)) {
    parts.push_back(part.id ? absl::StrCat(*part.id, "=", std::string(part.text))
                            : std::string(part.text));
  }
  return parts;
}

AddedToken Token(int32_t id, const std::string& content) { return {.content = content, .id = id}; }

TEST(AddedTokensTest, MatchesTheLongestOfTheLeftmost) {
  const std::vector<AddedToken> tokens = {Token(1, "ab"), Token(2, "abcd"), Token(3, "bcde"),
                                          Token(4, "c")};
  EXPECT_THAT(Split(tokens, "xabcde"), ElementsAre("x", "2=abcd", "e"));
  EXPECT_THAT(Split(tokens, "abcx"), ElementsAre("1=ab", "4=c", "x"));
  EXPECT_THAT(Split(tokens, "abab"), ElementsAre("1=ab", "1=ab"));
  EXPECT_THAT(Split(tokens, "xyz"), ElementsAre("xyz"));
  EXPECT_THAT(Split(tokens, ""), ElementsAre());
  EXPECT_THAT(Split({}, "abc"), ElementsAre("abc"));
}

TEST(AddedTokensTest, SwallowsWhiteSpaceOnTheSideThatItStrips) {
  AddedToken left = Token(1, "<l>"), right = Token(2, "<r>");
  left.lstrip = true;
  right.rstrip = true;
  EXPECT_THAT(Split({left, right}, "a \u3000<l> b"), ElementsAre("a", "1= \u3000<l>", " b"));
  EXPECT_THAT(Split({left, right}, "a <r>\n\u0085b"), ElementsAre("a ", "2=<r>\n\u0085", "b"));
  EXPECT_THAT(Split({left, right}, "<r>  <l>"), ElementsAre("2=<r>  ", "1=<l>"));
  EXPECT_THAT(Split({left, right}, " <l>"), ElementsAre("1= <l>"));
}

TEST(AddedTokensTest, MatchesSpacesOnceMoreBehindATokenThatSwallowedThem) {
  AddedToken right = Token(1, "<r>");
  right.rstrip = true;
  EXPECT_THAT(Split({right, Token(2, "  ")}, "<r>   x"), ElementsAre("1=<r>   ", "2=  ", " x"));
}

TEST(AddedTokensTest, SwallowsLongWhiteSpaceInLinearTime) {
  AddedToken space = Token(1, " ");
  space.rstrip = space.lstrip = true;
  const std::string text(1 << 20, ' ');
  EXPECT_EQ(AddedTokenMatcher({space}).Split(text).size(), text.size());
}

TEST(AddedTokensTest, WantsNoWordBesideASingleWord) {
  AddedToken token = Token(1, "cat");
  token.single_word = true;
  EXPECT_THAT(Split({token}, "cat"), ElementsAre("1=cat"));
  EXPECT_THAT(Split({token}, "a cat."), ElementsAre("a ", "1=cat", "."));
  for (const std::string text :
       {"concat", "cats", "_cat", "cat1", "cat\u0301", "\u00e9cat", "cat\u200d"}) {
    EXPECT_THAT(Split({token}, text), ElementsAre(text));
  }
  EXPECT_THAT(Split({token}, "\u2014cat\u00b0"), ElementsAre("\u2014", "1=cat", "\u00b0"));
}

TEST(AddedTokensTest, KnowsWhichPositionsAMatchTouches) {
  const AddedTokenMatcher matcher({Token(1, "ab"), Token(2, "bcd")});
  //                             position  0      1      2      3      4      5      6
  EXPECT_THAT(matcher.Touched("xabcx", 0, 5), ElementsAre(false, true, true, true, false, false));
  EXPECT_THAT(matcher.Touched("xabcd", 3, 5), ElementsAre(true, true, true));
  EXPECT_THAT(matcher.Touched("xyzzy", 1, 3), ElementsAre(false, false, false));
}

nlohmann::json WithTokens(const nlohmann::json& tokens) {
  nlohmann::json file = TinyTokenizerJson();
  file["added_tokens"] = tokens;
  return file;
}

TEST(AddedTokensTest, BecomeOneIdWhereverTheTextIsCut) {
  const auto tokenizer = Parse(WithTokens({AddedTokenJson(261, "<|endoftext|>", {"special"}),
                                           AddedTokenJson(262, "<|end|>", {"special"})}));
  ExpectIds(*tokenizer, "hell<|endoftext|>hell<|end|>", {258, 261, 258, 262});
  ExpectIds(*tokenizer, "<|end<|end|>", {'<', '|', 'e', 'n', 'd', 262});
  ExpectIds(*tokenizer, "<|endoftext|",
            {'<', '|', 'e', 'n', 'd', 'o', 'f', 't', 'e', 'x', 't', '|'});
}

TEST(AddedTokensTest, OfSpacesTakeTheSpacesOutOfTheText) {
  // The layout of GPT-NeoX: runs of spaces, normalised, not special.
  const auto tokenizer = Parse(WithTokens({AddedTokenJson(261, "    ", {"normalized"}),
                                           AddedTokenJson(262, "   ", {"normalized"}),
                                           AddedTokenJson(263, "  ", {"normalized"})}));
  ExpectIds(*tokenizer, "a  th", {'a', 263, 't', 'h'});
  ExpectIds(*tokenizer, "a   th th", {'a', 262, 't', 'h', 260});
  ExpectIds(*tokenizer, "a     th", {'a', 261, 260});
  ExpectIds(*tokenizer, "      ", {261, 263});
}

TEST(AddedTokensTest, OfRawTextAreTakenOutBeforeNormalisedOnes) {
  const nlohmann::json tokens = {AddedTokenJson(261, "bc"),
                                 AddedTokenJson(262, "ab", {"normalized"})};
  ExpectIds(*Parse(WithTokens(tokens)), "abc", {'a', 261});
}

TEST(AddedTokensTest, MatchNormalisedTextWhereTheyAreNormalised) {
  nlohmann::json file =
      WithTokens({AddedTokenJson(261, "\u0151"), AddedTokenJson(262, "u\u030b", {"normalized"})});
  file["normalizer"] = {{"type", "NFC"}};
  const auto tokenizer = Parse(file);
  ExpectIds(*tokenizer, "\u0151", {261});
  ExpectIds(*tokenizer, "o\u030b", {0xC5, 0x91});  // other raw text, though it normalises alike
  ExpectIds(*tokenizer, "u\u030b", {262});
  ExpectIds(*tokenizer, "\u0171", {262});
}

TEST(AddedTokensTest, StripAndStandAloneWhereverTheTextIsCut) {
  const auto tokenizer = Parse(
      WithTokens({AddedTokenJson(261, "<l>", {"lstrip"}), AddedTokenJson(262, "<r>", {"rstrip"}),
                  AddedTokenJson(263, "cat", {"single_word", "normalized"}),
                  AddedTokenJson(264, "[m]", {"lstrip", "rstrip", "normalized"})}));
  ExpectIds(*tokenizer, "a \n<l> b", {'a', 261, ' ', 'b'});
  ExpectIds(*tokenizer, "a <r> \u3000b", {'a', ' ', 262, 'b'});
  ExpectIds(*tokenizer, "a  [m]  b", {'a', 264, 'b'});
  ExpectIds(*tokenizer, "cats cat", {'c', 'a', 't', 's', ' ', 263});
  ExpectIds(*tokenizer, "a cat\u00e9", {'a', ' ', 'c', 'a', 't', 0xC3, 0xA9});
}

TEST(AddedTokensTest, BeginAPieceThatGetsItsPrefixSpace) {
  nlohmann::json file = WithTokens(nlohmann::json::array({AddedTokenJson(261, "<x>")}));
  file["pre_tokenizer"]["add_prefix_space"] = true;
  const auto tokenizer = Parse(file);
  ExpectIds(*tokenizer, "th th", {260, 260});
  ExpectIds(*tokenizer, " th<x>th,th<x> th", {260, 261, 260, ',', 't', 'h', 261, 260});
  ExpectIds(*tokenizer, "\nth", {' ', '\n', 't', 'h'});
  ExpectIds(*tokenizer, "", {});
}

TEST(AddedTokensTest, GiveTheSameIdsForRandomTextHoweverItIsCut) {
  nlohmann::json file = WithTokens({
      AddedTokenJson(261, "<|endoftext|>", {"special"}),
      AddedTokenJson(262, "the", {"single_word", "normalized"}),
      AddedTokenJson(263, "  ", {"normalized"}),
      AddedTokenJson(264, "!?", {"lstrip", "normalized"}),
      AddedTokenJson(265, "42", {"rstrip"}),
      AddedTokenJson(266, "<|", {"lstrip", "rstrip"}),
      AddedTokenJson(267, "\u4f60\u597d", {"normalized"}),
  });
  file["pre_tokenizer"]["add_prefix_space"] = true;
  for (const bool nfc : {false, true}) {
    if (nfc) file["normalizer"] = {{"type", "NFC"}};
    const auto tokenizer = Parse(file);
    for (uint32_t seed = 0; seed < 60; ++seed) {
      const std::string text = RandomText(seed, 120);
      const auto whole = Encode(*tokenizer, text);
      ASSERT_TRUE(whole.ok()) << whole.status();
      ExpectIds(*tokenizer, text, *whole);
    }
  }
}

}  // namespace
}  // namespace homolog::datasets
