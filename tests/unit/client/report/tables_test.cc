#include "client/report/tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/support/small_study.h"

namespace homolog::report {
namespace {

using ::homolog::testing::EmptyStudy;
using ::homolog::testing::SmallStudy;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Csv(const json& study, const std::string& name) {
  for (const Table& table : StudyTables(study)) {
    if (table.name == name) return table.csv;
  }
  ADD_FAILURE() << "no table " << name;
  return "";
}

int Lines(const std::string& csv) {
  return static_cast<int>(std::count(csv.begin(), csv.end(), '\n'));
}

TEST(StudyTablesTest, AreOnePerList) {
  std::vector<std::string> names;
  for (const Table& table : StudyTables(EmptyStudy())) {
    names.push_back(table.name);
    EXPECT_EQ(Lines(table.csv), 1) << table.name;
  }
  EXPECT_THAT(names,
              ElementsAre("checkpoints", "correlations", "emergence", "emergence_by_layer",
                          "persistence", "persistence_by_layer", "ablations", "excess_histogram",
                          "scatter", "families", "family_members", "lineage"));
}

TEST(StudyTablesTest, HaveAllDigits) {
  json study = SmallStudy();
  study["emergence"][0]["share"] = 0.1;
  study["emergence"][1]["share"] = 1.0 / 3;
  EXPECT_THAT(Csv(study, "emergence"), StartsWith("model,step,threshold,universal,neurons,share\n"
                                                  "seed0,0,0.4,0,16,0.1\n"
                                                  "seed0,0,0.5,0,16,0.3333333333333333\n"));
}

TEST(StudyTablesTest, QuoteNamesThatNeedIt) {
  const json study = SmallStudy({"a,\"b\"", "two\nlines"});
  EXPECT_THAT(Csv(study, "lineage"), HasSubstr("\n\"a,\"\"b\"\"\",0,100,0.5,5,0,0,11\n"));
  EXPECT_THAT(Csv(study, "lineage"), HasSubstr("\n\"two\nlines\",0,100,0.5,5,0,0,11\n"));
}

TEST(StudyTablesTest, LeaveAbsentNumbersEmpty) {
  const json study = SmallStudy();
  EXPECT_THAT(Csv(study, "persistence"),
              StartsWith("model,threshold,from,to,kept,universal,persistence\n"
                         "seed0,0.4,0,0,0,0,\n"));
  EXPECT_THAT(Csv(study, "ablations"),
              HasSubstr("\nseed0,0,0.4,universal,,no universal neurons,,zero,,,,,,,,,,,,,,,\n"));
  EXPECT_THAT(
      Csv(study, "ablations"),
      HasSubstr(
          "\nseed0,100,0.5,random_layer_matched,1,,ablations/f00d,zero,3,5,3.25,0.01,0.002,0.004,"
          "0.01,0.002,0.004,0.01,0.002,0.004,0.01,0.002,0.004\n"));
}

TEST(StudyTablesTest, HaveALinePerLayer) {
  const json study = SmallStudy();
  EXPECT_THAT(Csv(study, "emergence_by_layer"),
              StartsWith("model,step,threshold,layer,universal,neurons,share\n"
                         "seed0,0,0.4,0,0,8,0.0\n"));
  EXPECT_THAT(Csv(study, "emergence_by_layer"), HasSubstr("\nseed1,100,0.5,1,2,8,0.25\n"));
  EXPECT_THAT(Csv(study, "persistence_by_layer"), HasSubstr("\nseed0,0.5,100,100,1,2,2,1.0\n"));
}

TEST(StudyTablesTest, HaveBinsWithTheirEdges) {
  const json study = SmallStudy();
  EXPECT_THAT(Csv(study, "excess_histogram"), StartsWith("model,step,pairing,low,high,count\n"
                                                         "seed0,0,best,-1,-0.5,0\n"
                                                         "seed0,0,best,-0.5,0,1\n"));
  EXPECT_THAT(Csv(study, "scatter"),
              StartsWith("model,step,pairing,baseline_low,baseline_high,max_corr_low,"
                         "max_corr_high,count\n"
                         "seed0,0,best,0,0.1,0.1,0.2,12\n"));
}

TEST(StudyTablesTest, HaveALinePerMemberOfAFamily) {
  const json study = SmallStudy();
  EXPECT_EQ(Csv(study, "families"),
            "step,threshold,size,count\n"
            "100,0.5,2,1\n"
            "200,0.5,2,1\n");
  EXPECT_THAT(Csv(study, "family_members"),
              StartsWith("step,threshold,index,size,mean_excess,model,layer,neuron\n"
                         "100,0.5,0,2,0.7,seed0,1,7\n"
                         "100,0.5,0,2,0.7,seed1,1,7\n"
                         "200,"));
  EXPECT_THAT(Csv(study, "correlations"), HasSubstr("seed0,0,best,correlations/c0de,seed1,1024,"));
}

}  // namespace
}  // namespace homolog::report
