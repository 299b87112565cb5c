#include "client/cli/output.h"

#include <gtest/gtest.h>

#include <sstream>

#include "client/cli/json.h"
#include "homolog/v1/dataset.pb.h"
#include "homolog/v1/dataset_service.pb.h"

namespace homolog::cli {
namespace {

using v1::Dataset;

TEST(TableTest, AlignsTextLeftAndNumbersRight) {
  const Table table{{{"name"}, {"count", true}, {"last"}},
                    {{"long name", "5", "x"}, {"b", "1234567", ""}}};
  EXPECT_EQ(AlignedTable(table),
            "name         count  last\n"
            "long name        5  x\n"
            "b          1234567\n");
}

TEST(TableTest, AlignsByCharactersNotBytes) {
  const Table table{{{"a"}, {"b"}}, {{"\xC3\xA9", "x"}, {"ee", "y"}}};
  EXPECT_EQ(AlignedTable(table), "a   b\n\xC3\xA9   x\nee  y\n");
}

TEST(TableTest, ShowsNoControlCharacters) {
  EXPECT_EQ(AlignedTable({{{"a"}}, {{"x\033[31m\ny"}}}), "a\nx?[31m?y\n");
}

TEST(TableTest, ShowsARecordAsALinePerColumn) {
  const Table table{{{"name"}, {"count", true}, {"empty"}}, {{"x", "5", ""}}};
  EXPECT_EQ(AlignedRecord(table), "name   x\ncount  5\nempty\n");
}

TEST(JsonTest, HasTheProtosFieldNamesAndZeros) {
  Dataset dataset;
  dataset.set_name("datasets/pile");
  const std::string json = Json(dataset);
  EXPECT_NE(json.find("\"name\": \"datasets/pile\""), std::string::npos) << json;
  EXPECT_NE(json.find("\"token_count\": \"0\""), std::string::npos) << json;
  EXPECT_TRUE(json.ends_with("}\n"));
  EXPECT_EQ(JsonLine(v1::GetDatasetRequest()), "{\"name\":\"\"}\n");
}

class OutputTest : public ::testing::Test {
 protected:
  OutputTest() {
    response_.add_datasets()->set_name("datasets/a");
    response_.mutable_datasets(0)->set_token_count(7);
    response_.add_datasets()->set_name("datasets/b");
    fields_.Add("name", [](const Dataset& d, Style s) { return NameText(d.name(), s); })
        .AddNumber("tokens",
                   [](const Dataset& d, Style) { return std::to_string(d.token_count()); });
  }
  std::string List(Format format) {
    std::ostringstream out;
    Output(format, out).PrintList(response_, response_.datasets(), fields_);
    return out.str();
  }
  std::string One(Format format) {
    std::ostringstream out;
    Output(format, out).PrintOne(response_.datasets(0), fields_);
    return out.str();
  }

  v1::ListDatasetsResponse response_;
  Fields<Dataset> fields_;
};

TEST_F(OutputTest, PrintsAListInEveryFormat) {
  EXPECT_EQ(List(Format::kTable), "name  tokens\na          7\nb          0\n");
  EXPECT_EQ(List(Format::kCsv), "name,tokens\ndatasets/a,7\ndatasets/b,0\n");
  EXPECT_EQ(List(Format::kJson), Json(response_));
}

TEST_F(OutputTest, PrintsOneMessageInEveryFormat) {
  EXPECT_EQ(One(Format::kTable), "name    a\ntokens  7\n");
  EXPECT_EQ(One(Format::kCsv), "name,tokens\ndatasets/a,7\n");
  EXPECT_EQ(One(Format::kJson), Json(response_.datasets(0)));
}

TEST_F(OutputTest, PrintsTheColumnNamesOfAnEmptyList) {
  response_.clear_datasets();
  EXPECT_EQ(List(Format::kCsv), "name,tokens\n");
  EXPECT_EQ(List(Format::kTable), "name  tokens\n");
}

TEST_F(OutputTest, ContinuesCsvWithoutASecondHeader) {
  std::ostringstream out;
  Output output(Format::kCsv, out);
  output.PrintList(response_, response_.datasets(), fields_);
  output.PrintList(response_, response_.datasets(), fields_);
  EXPECT_EQ(out.str(), "name,tokens\ndatasets/a,7\ndatasets/b,0\ndatasets/a,7\ndatasets/b,0\n");
}

TEST_F(OutputTest, PrintsAStreamLineByLine) {
  std::ostringstream json;
  Output json_output(Format::kJson, json);
  std::ostringstream table;
  Output table_output(Format::kTable, table);
  for (const Dataset& dataset : response_.datasets()) {
    json_output.PrintNext(dataset, fields_);
    table_output.PrintNext(dataset, fields_);
  }
  EXPECT_EQ(json.str(), JsonLine(response_.datasets(0)) + JsonLine(response_.datasets(1)));
  EXPECT_EQ(table.str(), "a  7\nb  0\n");
}

}  // namespace
}  // namespace homolog::cli
