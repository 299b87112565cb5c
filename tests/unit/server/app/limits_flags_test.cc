#include "server/app/limits_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/error.h"
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

TEST(LimitsTest, AreAllVisited) {
  EXPECT_EQ(Values(Limits()).size(), sizeof(Limits) / sizeof(int64_t));
}

TEST(LimitsFlagsTest, GiveTheDefaultsOfTheStruct) {
  const auto limits = ReadLimits();
  ASSERT_TRUE(limits.ok()) << limits.status();
  EXPECT_EQ(Values(*limits), Values(Limits()));
}

TEST(LimitsFlagsTest, SetEachItsOwnLimit) {
  for (const auto& [name, value] : Values(Limits())) {
    const absl::FlagSaver saver;
    ASSERT_NE(Flag(name), nullptr) << name;
    std::string error;
    ASSERT_TRUE(Flag(name)->ParseFrom(absl::StrCat(value - 1), &error)) << name << error;
    const auto limits = ReadLimits();
    ASSERT_TRUE(limits.ok()) << limits.status();
    std::map<std::string, int64_t> expected = Values(Limits());
    --expected[name];
    EXPECT_EQ(Values(*limits), expected) << name;
  }
}

TEST(LimitsFlagsTest, RefuseWhatIsOutOfRange) {
  for (const auto& [name, value] : Values(Limits())) {
    for (const char* text : {"-1", "9000000000000000000"}) {
      const absl::FlagSaver saver;
      std::string error;
      ASSERT_TRUE(Flag(name)->ParseFrom(text, &error)) << name << error;
      const absl::Status status = ReadLimits().status();
      EXPECT_EQ(ErrorReason(status), "INVALID_FLAG") << name;
      EXPECT_THAT(std::string(status.message()),
                  AllOf(HasSubstr("--" + FlagOfLimit(name)), HasSubstr(text)));
    }
  }
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
