#include "common/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "common/error.h"
#include "common/text.h"

namespace homolog {
namespace {

using ::testing::HasSubstr;

std::string Nested(int depth) { return std::string(depth, '[') + std::string(depth, ']'); }

std::string Problem(const std::string& text, size_t limit = 1 << 20) {
  const absl::StatusOr<nlohmann::json> json = ParseJson(text, limit);
  if (json.ok()) return "none";
  EXPECT_EQ(ErrorReason(json.status()), "MALFORMED_JSON");
  EXPECT_TRUE(IsValidUtf8(std::string(json.status().message())));
  return std::string(json.status().message());
}

TEST(JsonTest, ReadsWhatIsValid) {
  const absl::StatusOr<nlohmann::json> json = ParseJson(R"({"a": [1, 2.5, null, "[["]})", 100);
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ((*json)["a"][3], "[[");
  EXPECT_EQ(Problem(Nested(64)), "none");
}

TEST(JsonTest, NamesTheLimitThatATextExceeds) {
  EXPECT_THAT(Problem("[1,2,3]", 6), HasSubstr("larger than 6 bytes: 7"));
  EXPECT_EQ(Problem("[1,2,3]", 7), "none");
}

TEST(JsonTest, RefusesNestingThatIsTooDeep) {
  EXPECT_THAT(Problem(Nested(65)), HasSubstr("deeper than 64"));
  EXPECT_THAT(Problem("[\"]]]]\\\"\"," + Nested(64) + "]"), HasSubstr("deeper than 64"));
}

TEST(JsonTest, SaysWhereATextIsNoJson) {
  EXPECT_THAT(Problem("{\"a\": tru}"), HasSubstr("line 1, column"));
  EXPECT_THAT(Problem(std::string("{}\0{}", 5)), HasSubstr("zero byte"));
  EXPECT_THAT(Problem("\"\xff\""), HasSubstr("not valid JSON"));
  EXPECT_THAT(Problem("1e999"), HasSubstr("not valid JSON"));
}

TEST(JsonTest, ShowsLittleOfALongMistake) {
  EXPECT_LT(Problem("\"" + std::string(100'000, 'x')).size(), 300u);
}

}  // namespace
}  // namespace homolog
