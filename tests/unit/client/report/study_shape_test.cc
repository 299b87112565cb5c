#include "client/report/study_shape.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "tests/support/small_study.h"

namespace homolog::report {
namespace {

using ::homolog::testing::EmptyStudy;
using ::homolog::testing::SmallStudy;
using nlohmann::json;
using ::testing::HasSubstr;

std::string Problem(const json& study) {
  const absl::Status status = CheckStudy(study);
  EXPECT_EQ(ErrorReason(status), "MALFORMED_STUDY") << status;
  return std::string(status.message());
}

TEST(CheckStudyTest, TakesAWholeStudyAndOneWithEmptyLists) {
  EXPECT_TRUE(CheckStudy(SmallStudy()).ok()) << CheckStudy(SmallStudy());
  EXPECT_TRUE(CheckStudy(EmptyStudy()).ok()) << CheckStudy(EmptyStudy());
}

TEST(CheckStudyTest, TakesFieldsThatItDoesNotKnow) {
  json study = SmallStudy();
  study["later"] = 1;
  study["emergence"][0]["later"] = "x";
  EXPECT_TRUE(CheckStudy(study).ok());
}

TEST(CheckStudyTest, NamesWhatIsAbsent) {
  json study = SmallStudy();
  study.erase("thresholds");
  EXPECT_EQ(Problem(study), "the study's field thresholds is absent");
  study = SmallStudy();
  study["emergence"][3].erase("share");
  EXPECT_EQ(Problem(study), "the study's field emergence[3].share is absent");
  study = SmallStudy();
  study["families"][2]["largest"][0]["members"][1].erase("neuron");
  EXPECT_EQ(Problem(study), "the study's field families[2].largest[0].members[1].neuron is absent");
}

TEST(CheckStudyTest, NamesWhatIsOfAnotherType) {
  json study = SmallStudy();
  study["emergence"][0]["share"] = "much";
  EXPECT_EQ(Problem(study),
            "the study's field emergence[0].share is a JSON string; it must be a number");
  study = SmallStudy();
  study["ablations"][0]["kl"] = "much";
  EXPECT_THAT(Problem(study),
              HasSubstr("ablations[0].kl is a JSON string; it must be a number or"));
  study = SmallStudy();
  study["excess"] = 3;
  EXPECT_EQ(Problem(study), "the study's field excess must be a list");
  study = SmallStudy();
  study["excess"][0]["scatter"]["cells"][1] = {1, 2};
  EXPECT_EQ(Problem(study),
            "the study's field excess[0].scatter.cells[1] has 2 entries; it must have 3");
  EXPECT_EQ(Problem(json::array()), "the study must be an object");
}

TEST(CheckStudyTest, TakesNullOnlyWhereThereMayBeNone) {
  json study = SmallStudy();
  study["persistence"][0]["persistence"] = nullptr;
  EXPECT_TRUE(CheckStudy(study).ok());
  study["persistence"][0]["kept"] = nullptr;
  EXPECT_THAT(Problem(study), HasSubstr("persistence[0].kept is a JSON null"));
}

TEST(CheckStudyTest, TakesNoOtherFormat) {
  json study = SmallStudy();
  study["format"] = "homolog-study/2";
  EXPECT_EQ(Problem(study),
            "the study's field format is \"homolog-study/2\"; it must be \"homolog-study/1\"");
}

}  // namespace
}  // namespace homolog::report
