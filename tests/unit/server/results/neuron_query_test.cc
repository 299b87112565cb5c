#include "server/results/neuron_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
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
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class NeuronQueryTest : public ::testing::Test {
 protected:
  NeuronQueryTest() : store_(*store::Store::Open((folder_ / "store").string())) {
    EXPECT_TRUE(StoreHandMadeCorrelation(*store_, "c").ok());
    request_.set_correlation("correlations/c");
  }
  v1::QueryUniversalNeuronsResponse Query() {
    auto response = QueryNeurons(*store_, request_);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *std::move(response) : v1::QueryUniversalNeuronsResponse();
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    const v1::QueryUniversalNeuronsResponse response = Query();
    for (const v1::Neuron& neuron : response.neurons()) {
      names.push_back(std::to_string(neuron.layer()) + ":" + std::to_string(neuron.neuron()));
    }
    return names;
  }
  std::string Refusal() { return ErrorReason(QueryNeurons(*store_, request_).status()); }

  TemporaryFolder folder_;
  std::unique_ptr<store::Store> store_;
  v1::QueryUniversalNeuronsRequest request_;
};

TEST_F(NeuronQueryTest, AsksForExcessAboveOneHalfByTheMeanUnlessToldOtherwise) {
  EXPECT_THAT(Names(), ElementsAre("0:1", "1:0", "1:2"));
  const auto response = Query();
  EXPECT_EQ(response.total_size(), 3);
  EXPECT_EQ(response.neuron_count(), 6);
  EXPECT_EQ(response.next_page_token(), "");
}

TEST_F(NeuronQueryTest, TakesTheThresholdStrictly) {
  request_.set_threshold(0.5625);  // what three neurons have
  EXPECT_THAT(Names(), IsEmpty());
  request_.set_threshold(0.4375);
  EXPECT_THAT(Names(), ElementsAre("0:1", "1:0", "1:2"));
  request_.set_threshold(std::nextafter(0.4375, 0.0));
  EXPECT_THAT(Names(), ElementsAre("0:1", "1:0", "1:2", "0:0"));
}

TEST_F(NeuronQueryTest, CombinesPartnersByTheRule) {
  request_.set_threshold(0.45);
  request_.set_rule(v1::UNIVERSALITY_RULE_ALL);
  EXPECT_THAT(Names(), ElementsAre("1:2"));
  request_.set_rule(v1::UNIVERSALITY_RULE_ANY);
  EXPECT_THAT(Names(), ElementsAre("0:1", "1:0", "1:2", "0:0"));
}

TEST_F(NeuronQueryTest, LeavesOutDeadNeurons) {
  request_.set_threshold(std::nextafter(-2.0, 0.0));
  EXPECT_THAT(Names(), ElementsAre("0:1", "1:0", "1:2", "0:0", "0:2"));
}

TEST_F(NeuronQueryTest, ListsEveryNeuronAlsoDeadOnesAtMinusTwo) {
  request_.set_threshold(-2);
  request_.set_order_by("layer, neuron");
  EXPECT_THAT(Names(), ElementsAre("0:0", "0:1", "0:2", "1:0", "1:1", "1:2"));
  const auto response = Query();
  EXPECT_TRUE(response.neurons(4).dead());
  EXPECT_FALSE(response.neurons(4).universal());
  EXPECT_FALSE(response.neurons(0).dead());
  EXPECT_TRUE(response.neurons(0).universal());
}

TEST_F(NeuronQueryTest, AsksForOneLayer) {
  request_.set_layer(1);
  EXPECT_THAT(Names(), ElementsAre("1:0", "1:2"));
  EXPECT_EQ(Query().neuron_count(), 3);
  request_.set_layer(0);
  EXPECT_THAT(Names(), ElementsAre("0:1"));
}

TEST_F(NeuronQueryTest, ShowsEachPartnersNumbersAndTheOneThatDecides) {
  request_.set_rule(v1::UNIVERSALITY_RULE_ALL);
  request_.set_threshold(-2);
  request_.set_order_by("layer, neuron");
  const v1::Neuron neuron = Query().neurons(3);  // 1:0
  EXPECT_EQ(neuron.max_corr(), 0.5);
  EXPECT_EQ(neuron.min_corr(), -0.5);
  EXPECT_EQ(neuron.baseline(), 0.125);
  EXPECT_EQ(neuron.excess_corr(), 0.375);
  EXPECT_EQ(neuron.max_sim_checkpoint(), "models/right/checkpoints/1");
  EXPECT_EQ(neuron.max_sim_layer(), 0);
  EXPECT_EQ(neuron.max_sim_neuron(), 1);
  ASSERT_EQ(neuron.partners_size(), 2);
  const v1::NeuronPartner& left = neuron.partners(0);
  EXPECT_EQ(left.checkpoint(), "models/left/checkpoints/1");
  EXPECT_EQ(left.max_corr(), 1.0);
  EXPECT_EQ(left.max_sim_layer(), 1);  // flat index 7 of layers of 4
  EXPECT_EQ(left.max_sim_neuron(), 3);
  EXPECT_EQ(left.min_corr(), -1.0);
  EXPECT_EQ(left.min_sim_layer(), 1);
  EXPECT_EQ(left.min_sim_neuron(), 0);
  EXPECT_EQ(left.baseline(), 0.25);
  EXPECT_EQ(left.baseline_std(), 0.5);
  EXPECT_EQ(left.excess_corr(), 0.75);
}

TEST_F(NeuronQueryTest, PagesThroughAllNeuronsOnce) {
  request_.set_threshold(-2);
  const std::vector<std::string> all = Names();
  for (const int page_size : {1, 2, 4, 5, 6, 7}) {
    request_.set_page_size(page_size);
    std::vector<std::string> paged;
    request_.clear_page_token();
    do {
      const std::vector<std::string> page = Names();
      EXPECT_LE(page.size(), static_cast<size_t>(page_size));
      paged.insert(paged.end(), page.begin(), page.end());
      request_.set_page_token(Query().next_page_token());
    } while (!request_.page_token().empty());
    EXPECT_EQ(paged, all) << page_size;
  }
}

TEST_F(NeuronQueryTest, TakesAPageTokenForTheSameQuestionOnly) {
  request_.set_threshold(-2);
  request_.set_page_size(2);
  request_.set_page_token(Query().next_page_token());
  request_.set_page_size(3);  // may change from page to page
  EXPECT_EQ(Refusal(), "");
  request_.set_threshold(-1.5);
  EXPECT_EQ(Refusal(), "INVALID_PAGE_TOKEN");
  request_.set_threshold(-2);
  request_.set_order_by("layer");
  EXPECT_EQ(Refusal(), "INVALID_PAGE_TOKEN");
}

TEST_F(NeuronQueryTest, KeepsEveryPageWithinAMessage) {
  // 64 partners with the longest names there are, and neurons for several pages of 10000.
  const std::string long_name =
      absl::StrCat("models/", std::string(128, 'm'), "/checkpoints/", std::string(128, 's'));
  v1::Correlation manifest;
  manifest.mutable_reference()->mutable_shape()->set_layers(1);
  manifest.mutable_reference()->mutable_shape()->set_d_mlp(1000);
  analysis::CorrelationResult result;
  result.dead.assign(1000, 0);
  analysis::PairCorrelations pair;
  pair.max_corr.assign(1000, 0.7f);
  pair.min_corr = pair.baseline = pair.baseline_std = pair.max_corr;
  pair.max_sim.assign(1000, 999);
  pair.min_sim = pair.max_sim;
  for (int i = 0; i < 64; ++i) {
    *manifest.add_partners() = manifest.reference();
    manifest.mutable_partners(i)->set_name(long_name);
    result.partners.push_back(pair);
  }
  ASSERT_TRUE(
      store_->PutResult("correlations", "c", manifest.SerializeAsString(), EncodeColumns(result))
          .ok());
  request_.set_threshold(-2);
  request_.set_page_size(10000);
  int64_t seen = 0;
  do {
    const auto response = Query();
    ASSERT_GT(response.neurons_size(), 0);
    EXPECT_LT(response.ByteSizeLong(), size_t{4} << 20);
    seen += response.neurons_size();
    request_.set_page_token(response.next_page_token());
  } while (!request_.page_token().empty());
  EXPECT_EQ(seen, 1000);
}

TEST_F(NeuronQueryTest, RefusesWhatIsOutOfRange) {
  for (const double threshold : {-2.001, 2.001, std::numeric_limits<double>::quiet_NaN(),
                                 std::numeric_limits<double>::infinity()}) {
    request_.set_threshold(threshold);
    EXPECT_EQ(Refusal(), "INVALID_THRESHOLD") << threshold;
  }
  request_.set_threshold(2);
  EXPECT_THAT(Names(), IsEmpty());
  request_.clear_threshold();
  for (const int layer : {-1, 2}) {
    request_.set_layer(layer);
    EXPECT_EQ(Refusal(), "INVALID_LAYER");
  }
  request_.clear_layer();
  request_.set_rule(static_cast<v1::UniversalityRule>(7));
  EXPECT_EQ(Refusal(), "INVALID_RULE");
  request_.clear_rule();
  request_.set_page_size(10001);
  EXPECT_EQ(Refusal(), "INVALID_PAGE_SIZE");
  request_.clear_page_size();
  request_.set_correlation("correlations/none");
  EXPECT_EQ(Refusal(), "CORRELATION_NOT_FOUND");
  request_.set_correlation("ablations/c");
  EXPECT_EQ(Refusal(), "INVALID_RESOURCE_NAME");
}

// Histograms and lists are a hundred times the columns that a query is about.
TEST_F(NeuronQueryTest, ReadsNoColumnThatItDoesNotNeed) {
  const auto before = Query();
  analysis::CorrelationResult result = HandMadeDetailedResult();
  result.statistics.histogram.pop_back();
  result.statistics.mean.pop_back();
  result.partners[0].distribution.top_corr.pop_back();
  result.partners[1].distribution.mean.pop_back();
  ASSERT_TRUE(StoreHandMadeCorrelation(*store_, "c", result).ok());
  EXPECT_EQ(Query().SerializeAsString(), before.SerializeAsString());
}

TEST_F(NeuronQueryTest, ReportsDamageAndGoesOn) {
  ASSERT_TRUE(store_->PutResult("correlations", "c", "", {}).ok());
  EXPECT_EQ(Refusal(), "DAMAGED_RESULT");
  ASSERT_TRUE(StoreHandMadeCorrelation(*store_, "c").ok());
  EXPECT_EQ(Refusal(), "");
}

}  // namespace
}  // namespace homolog::results
