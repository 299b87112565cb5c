#include "common/text.h"

#include <gtest/gtest.h>

namespace homolog {
namespace {

TEST(TextTest, KeepsValidUtf8AsItIs) {
  const std::string text = "plain \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80";
  EXPECT_EQ(ValidUtf8(text), text);
  EXPECT_TRUE(IsValidUtf8(text));
}

TEST(TextTest, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(ValidUtf8("a\xFFz"), "a?z");
  EXPECT_EQ(ValidUtf8("cut \xE2\x82"), "cut ??");
  EXPECT_EQ(ValidUtf8("overlong \xC0\xAF"), "overlong ??");
  EXPECT_EQ(ValidUtf8("overlong \xE0\x80\x80"), "overlong ???");
  EXPECT_EQ(ValidUtf8("surrogate \xED\xA0\x80"), "surrogate ???");
  EXPECT_EQ(ValidUtf8("beyond \xF4\x90\x80\x80"), "beyond ????");
  EXPECT_EQ(ValidUtf8("a\xFF\x80z", "\uFFFD"), "a\uFFFD\uFFFDz");
  EXPECT_FALSE(IsValidUtf8("\x80"));
}

TEST(TextTest, CutsBetweenCharacters) {
  EXPECT_EQ(CutUtf8("short", 5), "short");
  EXPECT_EQ(CutUtf8("longer", 5), "lo...");
  // The cut would fall inside the second euro sign.
  EXPECT_EQ(CutUtf8("\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC", 8), "\xE2\x82\xAC...");
}

TEST(TextTest, QuotesWithEscapesAndALimit) {
  EXPECT_EQ(Quoted("a\n\"\xFF"), "\"a\\n\\\"\\xff\"");
  EXPECT_EQ(Quoted(std::string(101, 'x')), "\"" + std::string(100, 'x') + "\"...");
}

}  // namespace
}  // namespace homolog
