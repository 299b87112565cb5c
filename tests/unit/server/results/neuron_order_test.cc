#include "server/results/neuron_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "common/error.h"

namespace homolog::results {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Neurons "layer:neuron" with excess max_corr - baseline.
std::vector<QueriedNeuron> Sample() {
  auto neuron = [](int64_t layer, int64_t index, double max_corr, double min_corr,
                   double baseline) {
    return QueriedNeuron{layer, index, {max_corr, min_corr, baseline, max_corr - baseline, 0}};
  };
  return {neuron(1, 0, 0.5, -0.1, 0.25), neuron(0, 1, 0.75, -0.2, 0.5),
          neuron(0, 0, 1.0, -0.3, 0.25), neuron(1, 1, 0.5, -0.4, 0.0)};
}

std::vector<std::string> Sorted(const std::string& order_by) {
  std::vector<QueriedNeuron> neurons = Sample();
  const absl::Status status = OrderNeurons(order_by, 0, 4, neurons);
  if (!status.ok()) return {status.ToString()};
  std::vector<std::string> names;
  for (const QueriedNeuron& n : neurons) {
    names.push_back(std::to_string(n.layer) + ":" + std::to_string(n.neuron));
  }
  return names;
}

TEST(NeuronOrderTest, PutsTheLargestExcessFirstByDefaultAndBreaksTiesByPlace) {
  EXPECT_THAT(Sorted(""), ElementsAre("0:0", "1:1", "0:1", "1:0"));
  EXPECT_EQ(Sorted(""), Sorted("excess_corr desc"));
}

TEST(NeuronOrderTest, OrdersByEveryFieldInBothDirections) {
  EXPECT_THAT(Sorted("layer"), ElementsAre("0:0", "0:1", "1:0", "1:1"));
  EXPECT_THAT(Sorted("layer desc"), ElementsAre("1:0", "1:1", "0:0", "0:1"));
  EXPECT_THAT(Sorted("neuron desc"), ElementsAre("0:1", "1:1", "0:0", "1:0"));
  EXPECT_THAT(Sorted("max_corr"), ElementsAre("1:0", "1:1", "0:1", "0:0"));
  EXPECT_THAT(Sorted("max_corr desc"), ElementsAre("0:0", "0:1", "1:0", "1:1"));
  EXPECT_THAT(Sorted("min_corr"), ElementsAre("1:1", "0:0", "0:1", "1:0"));
  EXPECT_THAT(Sorted("baseline desc"), ElementsAre("0:1", "0:0", "1:0", "1:1"));
  EXPECT_THAT(Sorted("excess_corr asc"), ElementsAre("0:1", "1:0", "1:1", "0:0"));
}

TEST(NeuronOrderTest, OrdersBySeveralFieldsInTurn) {
  EXPECT_THAT(Sorted("layer desc, neuron desc"), ElementsAre("1:1", "1:0", "0:1", "0:0"));
  EXPECT_THAT(Sorted("  max_corr   desc ,baseline"), ElementsAre("0:0", "0:1", "1:1", "1:0"));
}

TEST(NeuronOrderTest, PutsAnyPageWhereASortOfAllWouldPutIt) {
  std::mt19937 random(11);
  std::vector<QueriedNeuron> neurons(500);
  for (int64_t i = 0; i < 500; ++i) {
    neurons[i].layer = i / 100;
    neurons[i].neuron = i % 100;
    neurons[i].excess.max_corr = static_cast<double>(random() % 7);
  }
  std::vector<QueriedNeuron> sorted = neurons;
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return std::tuple(-a.excess.max_corr, a.layer, a.neuron) <
           std::tuple(-b.excess.max_corr, b.layer, b.neuron);
  });
  for (const auto& [begin, end] : std::vector<std::pair<int64_t, int64_t>>{
           {0, 0}, {0, 1}, {0, 500}, {17, 40}, {499, 500}, {500, 500}, {250, 250}}) {
    std::vector<QueriedNeuron> page = neurons;
    ASSERT_TRUE(OrderNeurons("max_corr desc", begin, end, page).ok());
    for (int64_t i = begin; i < end; ++i) {
      EXPECT_EQ(page[i].layer, sorted[i].layer) << begin << " " << end << " " << i;
      EXPECT_EQ(page[i].neuron, sorted[i].neuron) << begin << " " << end << " " << i;
    }
  }
}

TEST(NeuronOrderTest, RefusesWhatIsNoOrder) {
  for (const std::string wrong :
       {",", "layer,", " ", "Layer", "layer DESC", "layer desc desc", "layer descending", "desc",
        "max_corr;layer", "dead", "layer\xff"}) {
    std::vector<QueriedNeuron> neurons = Sample();
    const absl::Status status = OrderNeurons(wrong, 0, 4, neurons);
    EXPECT_EQ(ErrorReason(status), "INVALID_ORDER_BY") << wrong;
    EXPECT_THAT(std::string(status.message()), HasSubstr("excess_corr")) << wrong;
  }
}

TEST(NeuronOrderTest, NamesAFieldThatStandsTwice) {
  std::vector<QueriedNeuron> neurons = Sample();
  const absl::Status status = OrderNeurons("layer, neuron, layer desc", 0, 4, neurons);
  EXPECT_EQ(ErrorReason(status), "INVALID_ORDER_BY");
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("layer desc"), HasSubstr("twice")));
}

TEST(NeuronOrderTest, RefusesAMillionFieldsAtOnce) {
  std::string order_by = "layer";
  for (int i = 0; i < 1'000'000; ++i) order_by += ",layer";
  std::vector<QueriedNeuron> neurons = Sample();
  EXPECT_EQ(ErrorReason(OrderNeurons(order_by, 0, 4, neurons)), "INVALID_ORDER_BY");
}

TEST(NeuronOrderTest, SortsNumbersThatAreNone) {
  std::mt19937 random(7);
  std::vector<QueriedNeuron> neurons(1000);
  for (int64_t i = 0; i < 1000; ++i) {
    neurons[i].neuron = i;
    neurons[i].excess.excess =
        random() % 3 == 0 ? std::numeric_limits<double>::quiet_NaN() : double(random() % 10);
  }
  ASSERT_TRUE(OrderNeurons("excess_corr", 0, 1000, neurons).ok());
  const auto first_nan = std::find_if(neurons.begin(), neurons.end(), [](const QueriedNeuron& n) {
    return std::isnan(n.excess.excess);
  });
  EXPECT_TRUE(std::is_sorted(neurons.begin(), first_nan, [](const auto& a, const auto& b) {
    return std::pair(a.excess.excess, a.neuron) < std::pair(b.excess.excess, b.neuron);
  }));
  EXPECT_TRUE(std::all_of(first_nan, neurons.end(),
                          [](const QueriedNeuron& n) { return std::isnan(n.excess.excess); }));
}

}  // namespace
}  // namespace homolog::results
