#include "server/datasets/utf8.h"

#include <gtest/gtest.h>

#include <string>

#include "common/text.h"
#include "server/datasets/byte_alphabet.h"

namespace homolog::datasets {
namespace {

TEST(Utf8Test, ReadsEveryCharacterItWrites) {
  for (char32_t character = 0; character <= 0x10FFFF; ++character) {
    if (character >= 0xD800 && character <= 0xDFFF) continue;
    std::string text = "a";
    AppendUtf8(character, text);
    ASSERT_EQ(CharacterAt(text, 1), character);
    ASSERT_EQ(CharacterBefore(text, text.size()), character);
    const Utf8Check check = CheckUtf8(text);
    ASSERT_EQ(check.valid, text.size()) << static_cast<uint32_t>(character);
    ASSERT_FALSE(check.malformed);
  }
}

TEST(Utf8Test, FindsWhereTextIsNoUtf8AsTheRestOfHomologDoes) {
  // All sequences of up to three bytes out of those at which a rule changes.
  const std::string bytes =
      "a\x7F\x80\x8F\x90\x9F\xA0\xBF\xC0\xC1\xC2\xDF\xE0\xE1\xED\xEF\xF0\xF4\xF5\xFF";
  for (const char a : bytes) {
    for (const char b : bytes) {
      for (const char c : bytes) {
        const std::string text = std::string("12345678") + a + b + c + "x";
        const Utf8Check check = CheckUtf8(text);
        EXPECT_EQ(!check.malformed && check.valid == text.size(), IsValidUtf8(text))
            << Quoted(text);
        EXPECT_TRUE(IsValidUtf8(text.substr(0, check.valid))) << Quoted(text);
      }
    }
  }
}

TEST(Utf8Test, TellsACutCharacterFromNone) {
  const std::string text = "\U0001F600";
  for (size_t size = 1; size < text.size(); ++size) {
    const Utf8Check check = CheckUtf8(text.substr(0, size));
    EXPECT_EQ(check.valid, 0u);
    EXPECT_FALSE(check.malformed) << size;
  }
  EXPECT_TRUE(CheckUtf8("\xF0\x80").malformed) << "whatever follows, it is overlong";
  EXPECT_TRUE(CheckUtf8("\xED\xA0").malformed) << "whatever follows, it is a surrogate";
}

TEST(ByteAlphabetTest, HasOneCharacterForEveryByte) {
  for (int byte = 0; byte < 256; ++byte) {
    const auto back = BytesOfAlphabet(ByteCharacter(static_cast<uint8_t>(byte)));
    EXPECT_EQ(back, std::string(1, static_cast<char>(byte)));
  }
  EXPECT_EQ(ByteCharacter('a'), "a");
  EXPECT_EQ(ByteCharacter(' '), "\u0120");
  EXPECT_EQ(ByteCharacter('\n'), "\u010A");
  EXPECT_EQ(ByteCharacter(0x7F), "\u0121");
  EXPECT_EQ(ByteCharacter(0xAD), "\u0143");
}

TEST(ByteAlphabetTest, DoesNotHoldOtherCharacters) {
  for (const std::string text : {" ", "\n", "a b", "\u00AD", "\u0144", "\u4f60", "\U0001F600"}) {
    EXPECT_EQ(BytesOfAlphabet(text), std::nullopt) << text;
  }
  EXPECT_EQ(BytesOfAlphabet(""), "");
}

}  // namespace
}  // namespace homolog::datasets
