#include "client/cli/text.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>

#include "common/enum_text.h"
#include "homolog/v1/ablation.pb.h"
#include "homolog/v1/checkpoint.pb.h"

namespace homolog::cli {
namespace {

TEST(NameTextTest, ShortensForPeopleOnly) {
  EXPECT_EQ(NameText("models/alias/checkpoints/100000", Style::kShort), "alias/100000");
  EXPECT_EQ(NameText("models/alias/checkpoints/100000", Style::kExact),
            "models/alias/checkpoints/100000");
  EXPECT_EQ(NameText("datasets/pile", Style::kShort), "pile");
  EXPECT_EQ(NameText("operations/7", Style::kShort), "7");
  EXPECT_EQ(NameText("datasets/pile", Style::kExact), "datasets/pile");
  EXPECT_EQ(NameText("no name", Style::kShort), "no name");
}

TEST(SignificantTextTest, KeepsFourDigitsInAnyUnit) {
  EXPECT_EQ(SignificantText(0.0000123456, Style::kShort), "1.235e-05");
  EXPECT_EQ(SignificantText(355.0956, Style::kShort), "355.1");
  EXPECT_EQ(SignificantText(0, Style::kShort), "0");
  EXPECT_EQ(SignificantText(0.1, Style::kExact), "0.1");
}

TEST(RealTextTest, RoundsForPeopleAndReadsBackForPrograms) {
  EXPECT_EQ(RealText(0.123456, Style::kShort), "0.1235");
  EXPECT_EQ(RealText(0.0000123, Style::kShort, 6), "0.000012");
  for (const double value : {0.1, 1.0 / 3, -2.5e-17, 5e-324, 1.7976931348623157e308}) {
    EXPECT_EQ(std::strtod(RealText(value, Style::kExact).c_str(), nullptr), value);
  }
  EXPECT_EQ(RealText(0.5, Style::kExact), "0.5");
}

TEST(ShareTextTest, GivesPercent) {
  EXPECT_EQ(ShareText(0.0571, Style::kShort), "5.71%");
  EXPECT_EQ(ShareText(0.25, Style::kExact), "0.25");
}

TEST(CountTextTest, ScalesForPeople) {
  EXPECT_EQ(CountText(999, Style::kShort), "999");
  EXPECT_EQ(CountText(124439808, Style::kShort), "124.4M");
  EXPECT_EQ(CountText(124439808, Style::kExact), "124439808");
  EXPECT_EQ(CountText(std::numeric_limits<int64_t>::max(), Style::kShort), "9223372.0T");
  EXPECT_EQ(BytesText(0, Style::kShort), "0 B");
  EXPECT_EQ(BytesText(1536, Style::kShort), "1.5 KiB");
  EXPECT_EQ(BytesText(1536, Style::kExact), "1536");
}

TEST(TimeTextTest, GivesRfc3339AndNothingForNoTime) {
  google::protobuf::Timestamp time;
  EXPECT_EQ(TimeText(time, Style::kShort), "");
  time.set_seconds(1700000000);
  time.set_nanos(5000000);
  EXPECT_EQ(TimeText(time, Style::kShort), "2023-11-14T22:13:20Z");
  EXPECT_EQ(TimeText(time, Style::kExact), "2023-11-14T22:13:20.005Z");
}

TEST(DurationTextTest, GivesSeconds) {
  google::protobuf::Duration duration;
  duration.set_seconds(62);
  duration.set_nanos(250000000);
  EXPECT_EQ(DurationText(duration, Style::kShort), "62.2 s");
  EXPECT_EQ(DurationText(duration, Style::kExact), "62.25");
}

TEST(PrintableTest, ReplacesControlCharacters) {
  EXPECT_EQ(Printable("a\033[2Jb\nc\x7F"), "a?[2Jb?c?");
}

TEST(EnumTextTest, TakesItsNamesFromTheProtos) {
  EXPECT_EQ(EnumText(v1::SITE_MLP_POST), "mlp_post");
  EXPECT_EQ(EnumText(v1::UNIVERSALITY_RULE_ALL), "all");
  EXPECT_EQ(EnumText(v1::CHECKPOINT_STATE_LOADED), "loaded");
  EXPECT_EQ(EnumText(v1::SITE_UNSPECIFIED), "unspecified");
}

TEST(EnumTextTest, ShowsTheNumberOfWhatItDoesNotKnow) {
  EXPECT_EQ(EnumText(static_cast<v1::Site>(99)), "99");
}

TEST(EnumTextTest, ReadsItsOwnTexts) {
  const auto* type = v1::Pairing_descriptor();
  EXPECT_EQ(EnumTexts(type), (std::vector<std::string>{"best", "same_index"}));
  EXPECT_EQ(EnumNumber(type, "same_index"), v1::PAIRING_SAME_INDEX);
  EXPECT_EQ(EnumNumber(type, "unspecified"), std::nullopt);
  EXPECT_EQ(EnumNumber(type, "SAME_INDEX"), std::nullopt);
}

}  // namespace
}  // namespace homolog::cli
