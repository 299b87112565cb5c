#include "server/results/paging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "common/error.h"

namespace homolog::results {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(PageSizeTest, IsTheFallbackForZeroAndWhatWasAskedForOtherwise) {
  EXPECT_EQ(*CheckPageSize(0, 100, 1000), 100);
  EXPECT_EQ(*CheckPageSize(1, 100, 1000), 1);
  EXPECT_EQ(*CheckPageSize(1000, 100, 1000), 1000);
}

TEST(PageSizeTest, RefusesNegativeAndTooLargeSizesWithTheRange) {
  for (const int32_t size :
       {-1, 1001, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()}) {
    const absl::Status status = CheckPageSize(size, 100, 1000).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << size;
    EXPECT_EQ(ErrorReason(status), "INVALID_PAGE_SIZE");
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr(std::to_string(size)), HasSubstr("0 (100) to 1000")));
  }
}

TEST(OffsetTokenTest, LeadsBackToItsOffset) {
  for (const int64_t offset : {int64_t{0}, int64_t{1}, int64_t{1000}, int64_t{1} << 40}) {
    const auto parsed = ParseOffsetToken("listing", OffsetToken("listing", offset));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, offset);
  }
  EXPECT_EQ(*ParseOffsetToken("listing", ""), 0);
}

TEST(OffsetTokenTest, IsGoodForItsOwnListingOnly) {
  const std::string token = OffsetToken("listing a", 5);
  EXPECT_EQ(ErrorReason(ParseOffsetToken("listing b", token).status()), "INVALID_PAGE_TOKEN");
}

TEST(OffsetTokenTest, RefusesWhatItDidNotMake) {
  const std::string token = OffsetToken("l", 5);
  const std::string prefix = token.substr(0, token.find('-') + 1);
  for (const std::string& wrong :
       {std::string("5"), std::string("-5"), std::string("-"), prefix, prefix + "-5", prefix + "+5",
        prefix + "05", prefix + " 5", prefix + "5 ", prefix + "5x", prefix + "0x5", token + "\n",
        token + std::string(1, '\0'), prefix + "99999999999999999999999", "x" + token,
        std::string(1 << 20, '9'), std::string("\xff\xfe-1")}) {
    const absl::Status status = ParseOffsetToken("l", wrong).status();
    EXPECT_EQ(ErrorReason(status), "INVALID_PAGE_TOKEN") << wrong.substr(0, 40);
    EXPECT_LT(status.message().size(), 500u);
  }
}

TEST(OffsetTokenTest, RefusesAnOffsetWithWhichSumsWouldOverflow) {
  const int64_t largest = std::numeric_limits<int64_t>::max();
  for (const int64_t offset : {largest, largest - 10000, int64_t{-1}}) {
    EXPECT_EQ(ErrorReason(ParseOffsetToken("l", OffsetToken("l", offset)).status()),
              "INVALID_PAGE_TOKEN")
        << offset;
  }
}

}  // namespace
}  // namespace homolog::results
