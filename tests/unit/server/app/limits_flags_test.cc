#include "server/app/limits_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <limits>
#include <map>
#include <regex>
#include <set>
#include <string>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/error.h"
#include "server/app/config.h"
#include "tests/support/temporary_folder.h"

namespace homolog::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::map<std::string, int64_t> Values(const Limits& limits) {
  std::map<std::string, int64_t> values;
  VisitLimits(limits, [&](const char* name, int64_t value) { values[name] = value; });
  return values;
}

absl::CommandLineFlag* Flag(const std::string& limit) {
  return absl::FindCommandLineFlag(absl::StrReplaceAll(FlagOfLimit(limit), {{"-", "_"}}));
}

// Whole powers of two as people write them.
std::string Text(int64_t value) {
  if (value >= int64_t{1} << 30 && value % (int64_t{1} << 30) == 0) {
    return absl::StrCat(value >> 30, " GiB");
  }
  if (value >= 1 << 20 && value % (1 << 20) == 0) return absl::StrCat(value >> 20, " MiB");
  return absl::StrCat(value);
}

// The ends of the range that the help of a limit's flag says: "..., 1 to 1024.".
struct Range {
  int64_t low = 0, high = 0;
};

Range DocumentedRange(const std::string& limit) {
  static const std::regex kRange("([0-9]+[KMGT]?i?B?) to ([0-9]+[KMGT]?i?B?)\\.$");
  const std::string help = Flag(limit)->Help();
  std::smatch match;
  if (!std::regex_search(help, match, kRange)) {
    ADD_FAILURE() << limit << " has no range: " << help;
    return {};
  }
  const auto number = [](const std::string& text) {
    return text == "0" ? 0 : ParseBytes("", text).value();  // no amount of memory is 0
  };
  return {number(match[1]), number(match[2])};
}

// What ReadLimits says of one limit's flag at `value`.
absl::StatusOr<Limits> ReadWith(const std::string& limit, int64_t value) {
  const absl::FlagSaver saver;
  std::string error;
  EXPECT_TRUE(Flag(limit)->ParseFrom(absl::StrCat(value), &error)) << limit << error;
  return ReadLimits();
}

void ExpectRefused(const std::string& limit, int64_t value) {
  const absl::Status status = ReadWith(limit, value).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << limit << " " << value << " " << status;
  EXPECT_EQ(ErrorReason(status), "INVALID_FLAG") << limit;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(absl::StrCat("--", FlagOfLimit(limit), " is \"", value, "\"")),
                    HasSubstr("must be ")));
}

TEST(LimitsTest, AreAllVisited) {
  EXPECT_EQ(Values(Limits()).size(), sizeof(Limits) / sizeof(int64_t));
}

TEST(LimitsFlagsTest, GiveTheDefaultsOfTheStruct) {
  const auto limits = ReadLimits();
  ASSERT_TRUE(limits.ok()) << limits.status();
  EXPECT_EQ(Values(*limits), Values(Limits()));
}

TEST(LimitsFlagsTest, HaveAFlagEachOfItsOwn) {
  std::set<std::string> flags;
  for (const auto& [name, value] : Values(Limits())) {
    EXPECT_NE(Flag(name), nullptr) << name;
    EXPECT_TRUE(flags.insert(FlagOfLimit(name)).second) << name;
  }
  EXPECT_EQ(FlagOfLimit("no_such_limit"), "");
}

TEST(LimitsFlagsTest, SetEachItsOwnLimit) {
  for (const auto& [name, value] : Values(Limits())) {
    const auto limits = ReadWith(name, value - 1);
    ASSERT_TRUE(limits.ok()) << limits.status();
    std::map<std::string, int64_t> expected = Values(Limits());
    --expected[name];
    EXPECT_EQ(Values(*limits), expected) << name;
  }
}

TEST(LimitsFlagsTest, TakeWhatTheirHelpSaysToBothEnds) {
  for (const auto& [name, value] : Values(Limits())) {
    const Range range = DocumentedRange(name);
    EXPECT_GE(value, range.low) << name;
    EXPECT_LE(value, range.high) << name;
    for (const int64_t end : {range.low, range.high}) {
      const auto limits = ReadWith(name, end);
      ASSERT_TRUE(limits.ok()) << limits.status();
      EXPECT_EQ(Values(*limits)[name], end) << name;
    }
    ExpectRefused(name, range.low - 1);
    ExpectRefused(name, range.high + 1);
  }
}

TEST(LimitsFlagsTest, RefuseNoneAndLessThanNone) {
  for (const auto& [name, value] : Values(Limits())) {
    ExpectRefused(name, -1);
    ExpectRefused(name, std::numeric_limits<int64_t>::min());
    // No excluded token ids is a limit; no page, queue or client is none.
    if (name != "excluded_token_ids") ExpectRefused(name, 0);
  }
  EXPECT_EQ(ReadWith("excluded_token_ids", 0)->excluded_token_ids, 0);
}

TEST(LimitsFlagsTest, StandInTheDocumentWithTheirDefaults) {
  const std::string document = homolog::testing::ReadFile(
      std::string(std::getenv("HOMOLOG_TEST_DATA")) + "/../docs/limits.md");
  for (const auto& [name, value] : Values(Limits())) {
    EXPECT_THAT(document, HasSubstr(absl::StrCat("| `", name, "` | `--", FlagOfLimit(name), "` | ",
                                                 Text(value), " |")));
  }
}

}  // namespace
}  // namespace homolog::app
