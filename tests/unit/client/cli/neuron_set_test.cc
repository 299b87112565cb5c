#include "client/cli/neuron_set.h"

#include <gtest/gtest.h>

namespace homolog::cli {
namespace {

NeuronSetArguments Arguments(const std::string& neurons, const std::string& correlation = "") {
  NeuronSetArguments arguments;
  arguments.neurons = neurons;
  arguments.correlation = correlation;
  return arguments;
}

// The only set.
absl::StatusOr<v1::NeuronSet> ParseNeuronSet(const NeuronSetArguments& arguments) {
  const auto sets = ParseNeuronSets(arguments);
  if (!sets.ok()) return sets.status();
  EXPECT_EQ(sets->size(), 1);
  return sets->front();
}

TEST(NeuronSetTest, ReadsSetsThatFollowFromACorrelation) {
  NeuronSetArguments arguments = Arguments("universal", "c");
  arguments.thresholds = {0.4};
  arguments.rule = v1::UNIVERSALITY_RULE_ALL;
  const auto universal = ParseNeuronSet(arguments);
  ASSERT_TRUE(universal.ok()) << universal.status();
  EXPECT_EQ(universal->universal().correlation(), "correlations/c");
  EXPECT_EQ(universal->universal().threshold(), 0.4);
  EXPECT_EQ(universal->universal().rule(), v1::UNIVERSALITY_RULE_ALL);
  EXPECT_TRUE(ParseNeuronSet(Arguments("others", "correlations/c"))->has_others());
}

TEST(NeuronSetTest, LeavesTheServersDefaultsToTheServer) {
  const auto set = ParseNeuronSet(Arguments("random", "c"));
  ASSERT_TRUE(set.ok());
  EXPECT_FALSE(set->random().universal().has_threshold());
  EXPECT_EQ(set->random().draws(), 0);
}

TEST(NeuronSetTest, ReadsDrawsAndSeedOfARandomSet) {
  NeuronSetArguments arguments = Arguments("random", "c");
  arguments.draws = 3;
  arguments.seed = 9;
  EXPECT_EQ(ParseNeuronSet(arguments)->random().draws(), 3);
  EXPECT_EQ(ParseNeuronSet(arguments)->random().seed(), 9u);
}

TEST(NeuronSetTest, ReadsNeuronsOneByOne) {
  const auto set = ParseNeuronSet(Arguments("0:5,11:3071"));
  ASSERT_TRUE(set.ok()) << set.status();
  ASSERT_EQ(set->explicit_().neurons_size(), 2);
  EXPECT_EQ(set->explicit_().neurons(1).layer(), 11);
  EXPECT_EQ(set->explicit_().neurons(1).neuron(), 3071);
}

TEST(NeuronSetTest, RefusesWhatIsNoSet) {
  for (const std::string neurons : {"", "most", "1", "1:", ":1", "1:2,", ",1:2", "1:2;3:4", "1:2x",
                                    "1: 2", "1:99999999999", "1:2:3", "universal,0:1"}) {
    EXPECT_EQ(ParseNeuronSet(Arguments(neurons)).status().code(),
              absl::StatusCode::kInvalidArgument)
        << neurons;
  }
}

TEST(NeuronSetTest, RefusesFlagsThatDoNotGoTogether) {
  EXPECT_FALSE(ParseNeuronSet(Arguments("universal")).ok());
  EXPECT_FALSE(ParseNeuronSet(Arguments("0:1", "c")).ok());
  NeuronSetArguments arguments = Arguments("universal", "c");
  arguments.seed = 1;
  EXPECT_FALSE(ParseNeuronSet(arguments).ok());
}

TEST(NeuronSetTest, ReadsEveryWordAtEveryThreshold) {
  NeuronSetArguments arguments = Arguments("universal,random_layer_matched,family:7", "c");
  arguments.thresholds = {0.4, 0.6};
  arguments.families = "f";
  arguments.seed = 4;
  const auto sets = ParseNeuronSets(arguments);
  ASSERT_TRUE(sets.ok()) << sets.status();
  ASSERT_EQ(sets->size(), 5);
  EXPECT_EQ((*sets)[1].universal().threshold(), 0.6);
  EXPECT_EQ((*sets)[2].random_layer_matched().universal().threshold(), 0.4);
  EXPECT_EQ((*sets)[3].random_layer_matched().seed(), 4u);
  EXPECT_EQ((*sets)[4].family().families(), "families/f");
  EXPECT_EQ((*sets)[4].family().family(), 7);
}

TEST(NeuronSetTest, RefusesAFamilyOfNoFamilies) {
  EXPECT_FALSE(ParseNeuronSets(Arguments("family:7")).ok());
  NeuronSetArguments arguments = Arguments("family:x");
  arguments.families = "f";
  EXPECT_FALSE(ParseNeuronSets(arguments).ok());
  arguments.neurons = "family:1";
  EXPECT_TRUE(ParseNeuronSets(arguments).ok());
  arguments.thresholds = {0.5};
  EXPECT_FALSE(ParseNeuronSets(arguments).ok());
  arguments = Arguments("universal", "c");
  arguments.families = "f";
  EXPECT_FALSE(ParseNeuronSets(arguments).ok());
}

TEST(NeuronSetTest, IsShownAsItIsTyped) {
  EXPECT_EQ(NeuronSetText(*ParseNeuronSet(Arguments("others", "c")), Style::kShort), "others");
  EXPECT_EQ(NeuronSetText(*ParseNeuronSet(Arguments("0:5,1:9")), Style::kExact), "0:5,1:9");
}

}  // namespace
}  // namespace homolog::cli
