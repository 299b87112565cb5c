#include "server/results/neuron_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/server/results/stored_correlation.h"

namespace homolog::results {
namespace {

using ::homolog::testing::HandMadeDetailedResult;
using ::homolog::testing::StoreHandMadeCorrelation;
using ::homolog::testing::TemporaryFolder;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

template <typename Number>
std::vector<Number> Unpacked(const std::string& data) {
  std::vector<Number> numbers(data.size() / sizeof(Number));
  std::memcpy(numbers.data(), data.data(), numbers.size() * sizeof(Number));
  return numbers;
}

class NeuronTableTest : public ::testing::Test {
 protected:
  NeuronTableTest() : store_(*store::Store::Open((folder_ / "store").string())) {
    EXPECT_TRUE(StoreHandMadeCorrelation(*store_, "c", HandMadeDetailedResult()).ok());
    request_.set_correlation("correlations/c");
  }
  v1::GetNeuronTableResponse Get() {
    auto response = GetNeuronTable(*store_, request_);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *std::move(response) : v1::GetNeuronTableResponse();
  }
  v1::GetNeuronTableResponse Get(const std::vector<std::string>& columns) {
    request_.mutable_columns()->Assign(columns.begin(), columns.end());
    return Get();
  }
  absl::Status Error(const std::vector<std::string>& columns) {
    request_.mutable_columns()->Assign(columns.begin(), columns.end());
    return GetNeuronTable(*store_, request_).status();
  }

  TemporaryFolder folder_;
  std::unique_ptr<store::Store> store_;
  v1::GetNeuronTableRequest request_;
};

TEST_F(NeuronTableTest, HasTheCorrelationsOfEveryPartnerByDefault) {
  const v1::GetNeuronTableResponse table = Get();
  std::vector<std::string> names;
  for (const v1::NeuronColumn& column : table.columns()) names.push_back(column.name());
  EXPECT_THAT(names, ElementsAre("dead", "0.max_corr", "0.max_sim", "0.min_corr", "0.min_sim",
                                 "0.baseline", "0.baseline_std", "1.max_corr", "1.max_sim",
                                 "1.min_corr", "1.min_sim", "1.baseline", "1.baseline_std"));
  EXPECT_EQ(table.first_neuron(), 0);
  EXPECT_EQ(table.neuron_count(), 6);
  EXPECT_EQ(table.total_size(), 6);
  EXPECT_EQ(table.next_page_token(), "");
  EXPECT_EQ(table.columns(0).data(), std::string("\0\0\0\0\1\0", 6));
  EXPECT_THAT(Unpacked<float>(table.columns(1).data()),
              ElementsAre(0.75f, 0.5f, 0.25f, 1.0f, 0.0f, 0.75f));
}

TEST_F(NeuronTableTest, GivesColumnsInTheOrderAskedForWithTypeAndWidth) {
  const v1::GetNeuronTableResponse table =
      Get({"1.top_sim", "activation.top_position", "0.histogram", "dead", "activation.mean"});
  ASSERT_EQ(table.columns_size(), 5);
  const auto is = [&](int i, const std::string& name, v1::ColumnType type, int width) {
    EXPECT_EQ(table.columns(i).name(), name);
    EXPECT_EQ(table.columns(i).type(), type);
    EXPECT_EQ(table.columns(i).width(), width);
  };
  is(0, "1.top_sim", v1::COLUMN_TYPE_INT32, 2);
  is(1, "activation.top_position", v1::COLUMN_TYPE_INT64, 3);
  is(2, "0.histogram", v1::COLUMN_TYPE_UINT32, 100);
  is(3, "dead", v1::COLUMN_TYPE_UINT8, 1);
  is(4, "activation.mean", v1::COLUMN_TYPE_FLOAT32, 1);
  const analysis::CorrelationResult stored = HandMadeDetailedResult();
  EXPECT_EQ(Unpacked<int32_t>(table.columns(0).data()), stored.partners[1].distribution.top_sim);
  EXPECT_EQ(Unpacked<int64_t>(table.columns(1).data()), stored.statistics.top_position);
  EXPECT_EQ(Unpacked<uint32_t>(table.columns(2).data()), stored.partners[0].distribution.histogram);
  EXPECT_EQ(Unpacked<float>(table.columns(4).data()), stored.statistics.mean);
}

TEST_F(NeuronTableTest, GivesOneLayer) {
  request_.set_layer(1);
  const v1::GetNeuronTableResponse table = Get({"0.max_sim", "activation.top_activation"});
  EXPECT_EQ(table.first_neuron(), 3);
  EXPECT_EQ(table.neuron_count(), 3);
  EXPECT_EQ(table.total_size(), 3);
  EXPECT_THAT(Unpacked<int32_t>(table.columns(0).data()), ElementsAre(7, 4, 5));
  EXPECT_THAT(Unpacked<float>(table.columns(1).data()),
              ElementsAre(13, 12, 11, 14, 13, 12, 15, 14, 13));
}

TEST_F(NeuronTableTest, PagesThroughAllNeuronsOnce) {
  const std::string whole = Get({"0.bottom_corr"}).columns(0).data();
  for (const int page_size : {1, 2, 4, 5, 6, 7}) {
    request_.set_page_size(page_size);
    request_.clear_page_token();
    std::string paged;
    int64_t next = 0;
    do {
      const v1::GetNeuronTableResponse page = Get();
      EXPECT_EQ(page.first_neuron(), next);
      EXPECT_LE(page.neuron_count(), page_size);
      EXPECT_EQ(page.total_size(), 6);
      next += page.neuron_count();
      paged += page.columns(0).data();
      request_.set_page_token(page.next_page_token());
    } while (!request_.page_token().empty());
    EXPECT_EQ(paged, whole) << page_size;
    EXPECT_EQ(next, 6);
  }
}

TEST_F(NeuronTableTest, TakesAPageTokenForTheSameQuestionOnly) {
  request_.set_page_size(2);
  request_.set_page_token(Get({"dead"}).next_page_token());
  EXPECT_EQ(ErrorReason(Error({"dead"})), "");
  EXPECT_EQ(ErrorReason(Error({"dead", "0.max_corr"})), "INVALID_PAGE_TOKEN");
  request_.set_layer(0);
  EXPECT_EQ(ErrorReason(Error({"dead"})), "INVALID_PAGE_TOKEN");
}

// 9.6 MB of lists are far beyond one message.
TEST_F(NeuronTableTest, KeepsEveryPageBelowWhatAMessageMayHold) {
  constexpr int kNeurons = 20000;
  v1::Correlation manifest = testing::HandMadeManifest("large");
  manifest.mutable_reference()->mutable_shape()->set_layers(1);
  manifest.mutable_reference()->mutable_shape()->set_d_mlp(kNeurons);
  const std::vector<store::Blob> blobs = {
      {"activation.mean", std::string(kNeurons * 4, 'm')},
      {"activation.histogram", std::string(kNeurons * 80 * 4, 'h')},
      {"activation.top_position", std::string(kNeurons * 20 * 8, '\0')}};
  ASSERT_TRUE(store_->PutResult("correlations", "large", manifest.SerializeAsString(), blobs).ok());
  request_.set_correlation("correlations/large");
  const std::vector<std::string> columns = {"activation.histogram", "activation.top_position"};
  int64_t neurons = 0, pages = 0;
  do {
    const v1::GetNeuronTableResponse page = Get(columns);
    EXPECT_LE(page.ByteSizeLong(), size_t{3 << 20} + 1000);
    ASSERT_GT(page.neuron_count(), 0);
    neurons += page.neuron_count();
    ++pages;
    request_.set_page_token(page.next_page_token());
  } while (!request_.page_token().empty());
  EXPECT_EQ(neurons, kNeurons);
  EXPECT_EQ(pages, 4);  // at 480 bytes a neuron
}

TEST_F(NeuronTableTest, SaysWhichColumnsThereAre) {
  for (const std::string wrong :
       {"", "Dead", "activation", "activation.", "activation.std", "max_corr", "2.max_corr",
        "-1.max_corr", "00.max_corr", "+0.max_corr", " 0.max_corr", "0.dead", "0.", ".max_corr",
        "99999999999999999999.max_corr", "0.max_corr ", "0.0.max_corr", "../dead"}) {
    const absl::Status status = Error({"dead", wrong});
    EXPECT_EQ(ErrorReason(status), "INVALID_COLUMN") << wrong;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr(absl::StrCat("\"", wrong, "\"")), HasSubstr("activation.skew"),
                      HasSubstr("0.bottom_sim"), HasSubstr("1 to 1")));
  }
}

TEST_F(NeuronTableTest, RefusesAColumnThatAnOlderResultDoesNotHave) {
  ASSERT_TRUE(StoreHandMadeCorrelation(*store_, "c").ok());
  for (const std::string column : {"activation.mean", "1.top_corr"}) {
    const absl::Status status = Error({column});
    EXPECT_EQ(ErrorReason(status), "INVALID_COLUMN") << column;
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("0.baseline_std"), Not(HasSubstr("activation.skew"))));
  }
  EXPECT_EQ(Get({"1.baseline"}).columns_size(), 1);
  EXPECT_EQ(Get({}).columns_size(), 13);
}

TEST_F(NeuronTableTest, RefusesAColumnTwiceAndMoreThan256) {
  const absl::Status twice = Error({"0.max_corr", "dead", "0.max_corr"});
  EXPECT_EQ(ErrorReason(twice), "INVALID_COLUMN");
  EXPECT_THAT(std::string(twice.message()), HasSubstr("twice"));
  const absl::Status many = Error(std::vector<std::string>(257, "dead"));
  EXPECT_EQ(ErrorReason(many), "INVALID_COLUMN");
  EXPECT_THAT(std::string(many.message()), HasSubstr("257"));
}

TEST_F(NeuronTableTest, RefusesWhatItCannotMean) {
  request_.set_page_size(-1);
  EXPECT_EQ(ErrorReason(Error({})), "INVALID_PAGE_SIZE");
  request_.set_page_size(1 << 30);  // as many as fit
  EXPECT_EQ(ErrorReason(Error({})), "");
  for (const int layer : {-1, 2}) {
    request_.set_layer(layer);
    EXPECT_EQ(ErrorReason(Error({})), "INVALID_LAYER");
  }
  request_.clear_layer();
  request_.set_page_token("x");
  EXPECT_EQ(ErrorReason(Error({})), "INVALID_PAGE_TOKEN");
  request_.clear_page_token();
  request_.set_correlation("correlations/none");
  EXPECT_EQ(ErrorReason(Error({})), "CORRELATION_NOT_FOUND");
}

}  // namespace
}  // namespace homolog::results
