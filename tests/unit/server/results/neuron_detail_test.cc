#include "server/results/neuron_detail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>

#include "common/error.h"
#include "server/results/neuron_query.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/server/results/stored_correlation.h"

namespace homolog::results {
namespace {

using ::homolog::testing::HandMadeDetailedResult;
using ::homolog::testing::StoreHandMadeCorrelation;
using ::homolog::testing::TemporaryFolder;
using ::testing::HasSubstr;

class NeuronDetailTest : public ::testing::Test {
 protected:
  NeuronDetailTest() : store_(*store::Store::Open((folder_ / "store").string())) {
    EXPECT_TRUE(StoreHandMadeCorrelation(*store_, "c", HandMadeDetailedResult()).ok());
    request_.set_correlation("correlations/c");
    request_.set_layer(1);
    request_.set_neuron(2);  // flat index 5
  }
  v1::NeuronDetail Get() {
    auto result = GetNeuron(*store_, request_);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->detail : v1::NeuronDetail();
  }
  std::string Refusal() { return ErrorReason(GetNeuron(*store_, request_).status()); }

  TemporaryFolder folder_;
  std::unique_ptr<store::Store> store_;
  v1::GetNeuronRequest request_;
};

TEST_F(NeuronDetailTest, ShowsEveryNeuronAsAQueryDoes) {
  v1::QueryUniversalNeuronsRequest query;
  query.set_correlation("correlations/c");
  query.set_threshold(-2);
  query.set_order_by("layer, neuron");
  for (const auto rule : {v1::UNIVERSALITY_RULE_MEAN, v1::UNIVERSALITY_RULE_ALL}) {
    query.set_rule(rule);
    request_.set_rule(rule);
    request_.set_threshold(-2);
    const auto all = QueryNeurons(*store_, query);
    ASSERT_TRUE(all.ok()) << all.status();
    for (const v1::Neuron& neuron : all->neurons()) {
      request_.set_layer(neuron.layer());
      request_.set_neuron(neuron.neuron());
      EXPECT_EQ(Get().neuron().SerializeAsString(), neuron.SerializeAsString());
    }
  }
}

TEST_F(NeuronDetailTest, TakesOneHalfAsTheThresholdUnlessToldOtherwise) {
  EXPECT_TRUE(Get().neuron().universal());  // mean excess 0.5625
  request_.set_threshold(0.5625);
  EXPECT_FALSE(Get().neuron().universal());
}

TEST_F(NeuronDetailTest, ShowsItsActivations) {
  const v1::NeuronDetail detail = Get();
  const v1::NeuronStatistics& statistics = detail.statistics();
  EXPECT_EQ(statistics.mean(), 5);
  EXPECT_EQ(statistics.variance(), 5.5);
  EXPECT_EQ(statistics.skew(), 5.25);
  EXPECT_EQ(statistics.kurtosis(), 5.125);
  EXPECT_EQ(statistics.active_share(), 0.625);
  EXPECT_EQ(statistics.minimum(), -5);
  EXPECT_EQ(statistics.maximum(), 15);
  EXPECT_EQ(statistics.histogram_low(), -15);
  EXPECT_EQ(statistics.histogram_width(), 5.25);
  ASSERT_EQ(statistics.histogram_size(), 80);
  EXPECT_EQ(statistics.histogram(79), 579u);
  ASSERT_EQ(detail.exciting_positions_size(), 3);
  EXPECT_EQ(detail.exciting_positions(0).position(), 7);
  EXPECT_EQ(detail.exciting_positions(0).activation(), 15);
  EXPECT_EQ(detail.exciting_positions(2).position(), 25);
  EXPECT_EQ(detail.exciting_positions(2).activation(), 13);
}

TEST_F(NeuronDetailTest, ShowsHowItsCorrelationsWithEachPartnerAreDistributed) {
  const v1::NeuronDetail detail = Get();
  ASSERT_EQ(detail.distributions_size(), 2);
  const v1::PartnerDistribution& left = detail.distributions(0);
  EXPECT_EQ(left.checkpoint(), "models/left/checkpoints/1");
  ASSERT_EQ(left.top_size(), 8);
  ASSERT_EQ(left.bottom_size(), 8);
  EXPECT_EQ(left.top(0).layer(), 1);  // flat index 5 of layers of 4
  EXPECT_EQ(left.top(0).neuron(), 1);
  EXPECT_EQ(left.top(0).corr(), 0.75 - 5 / 64.);
  EXPECT_EQ(left.top(4).layer(), 0);  // 9 around 8
  EXPECT_EQ(left.top(4).neuron(), 1);
  EXPECT_EQ(left.bottom(1).layer(), 1);  // 4
  EXPECT_EQ(left.bottom(1).neuron(), 0);
  EXPECT_EQ(left.bottom(1).corr(), -0.75 - 5 / 64. + 1 / 16.);
  ASSERT_EQ(left.histogram_size(), 100);
  EXPECT_EQ(left.histogram(99), 5099u);
  EXPECT_EQ(left.mean(), 0.625);
  EXPECT_EQ(left.variance(), 6);
  EXPECT_EQ(left.skew(), -1.25);
  EXPECT_EQ(left.kurtosis(), 8);
  EXPECT_EQ(detail.distributions(1).top_size(), 2);
}

TEST_F(NeuronDetailTest, HasNoDistributionsWhereEveryNeuronHasOneCorrelation) {
  analysis::CorrelationResult same_index = HandMadeDetailedResult();
  for (analysis::PairCorrelations& pair : same_index.partners) pair.distribution = {};
  ASSERT_TRUE(StoreHandMadeCorrelation(*store_, "c", same_index).ok());
  const v1::NeuronDetail detail = Get();
  EXPECT_EQ(detail.distributions_size(), 0);
  EXPECT_EQ(detail.statistics().mean(), 5);
  EXPECT_EQ(detail.neuron().partners_size(), 2);
}

TEST_F(NeuronDetailTest, SaysThatAnOlderResultHasNoDistribution) {
  ASSERT_TRUE(StoreHandMadeCorrelation(*store_, "c").ok());
  const absl::Status status = GetNeuron(*store_, request_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_EQ(ErrorReason(status), "NO_DISTRIBUTION");
  EXPECT_THAT(std::string(status.message()), HasSubstr("correlations/c"));
}

TEST_F(NeuronDetailTest, RefusesWhatIsNoNeuronOrThreshold) {
  for (const int layer : {-1, 2, std::numeric_limits<int>::max()}) {
    request_.set_layer(layer);
    EXPECT_EQ(Refusal(), "INVALID_LAYER") << layer;
  }
  request_.set_layer(0);
  for (const int neuron : {-1, 3, std::numeric_limits<int>::min()}) {
    request_.set_neuron(neuron);
    EXPECT_EQ(Refusal(), "INVALID_NEURON") << neuron;
  }
  request_.set_neuron(0);
  for (const double threshold : {-2.5, 2.5, std::nan("")}) {
    request_.set_threshold(threshold);
    EXPECT_EQ(Refusal(), "INVALID_THRESHOLD") << threshold;
  }
  request_.clear_threshold();
  request_.set_rule(static_cast<v1::UniversalityRule>(7));
  EXPECT_EQ(Refusal(), "INVALID_RULE");
  request_.clear_rule();
  request_.set_correlation("correlations/none");
  EXPECT_EQ(Refusal(), "CORRELATION_NOT_FOUND");
}

}  // namespace
}  // namespace homolog::results
