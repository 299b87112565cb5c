#include "server/operations/neuron_sets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/server/results/stored_correlation.h"

namespace homolog::operations {
namespace {

using ::homolog::testing::HandMadeManifest;
using ::homolog::testing::HandMadeResult;
using ::homolog::testing::StoreHandMadeCorrelation;
using ::homolog::testing::TemporaryFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class NeuronSetsTest : public ::testing::Test {
 protected:
  NeuronSetsTest() : store_(*store::Store::Open((folder_ / "store").string())) {
    EXPECT_TRUE(StoreHandMadeCorrelation(*store_, "c").ok());
    checkpoint_.name = {"reference", "1"};
    checkpoint_.weights_sha256 = "weights of reference";
    checkpoint_.description.emplace();
    checkpoint_.description->shape.layers = 2;
    checkpoint_.description->shape.d_mlp = 3;
  }
  absl::StatusOr<ResolvedNeurons> Resolve() {
    return NeuronSetResolver(*store_, checkpoint_).Resolve(set_);
  }
  std::vector<analysis::NeuronSet> Sets() {
    const auto resolved = Resolve();
    EXPECT_TRUE(resolved.ok()) << resolved.status();
    return resolved.ok() ? resolved->sets : std::vector<analysis::NeuronSet>();
  }
  std::string Refusal() { return ErrorReason(Resolve().status()); }
  void AddExplicit(int32_t layer, int32_t neuron) {
    v1::NeuronId& id = *set_.mutable_explicit_()->add_neurons();
    id.set_layer(layer);
    id.set_neuron(neuron);
  }
  std::string Digest() {
    results::RequestDigest digest("t");
    AddToDigest(Resolve()->request, digest);
    return digest.Finish();
  }

  TemporaryFolder folder_;
  std::unique_ptr<store::Store> store_;
  checkpoints::CheckpointInfo checkpoint_;
  v1::NeuronSet set_;
};

TEST_F(NeuronSetsTest, TakesUniversalNeuronsAsAQueryListsThem) {
  set_.mutable_universal()->set_correlation("correlations/c");
  EXPECT_THAT(Sets(), ElementsAre(ElementsAre(1, 3, 5)));
  set_.mutable_universal()->set_threshold(0.45);
  set_.mutable_universal()->set_rule(v1::UNIVERSALITY_RULE_ALL);
  EXPECT_THAT(Sets(), ElementsAre(ElementsAre(5)));
}

TEST_F(NeuronSetsTest, TakesAllOthersAlsoDeadOnes) {
  set_.mutable_others()->set_correlation("correlations/c");
  EXPECT_THAT(Sets(), ElementsAre(ElementsAre(0, 2, 4)));
}

TEST_F(NeuronSetsTest, NeverCallsADeadNeuronUniversal) {
  set_.mutable_universal()->set_correlation("correlations/c");
  set_.mutable_universal()->set_threshold(-2);
  EXPECT_THAT(Sets(), ElementsAre(ElementsAre(0, 1, 2, 3, 5)));
}

TEST_F(NeuronSetsTest, DrawsAsManyRandomNeuronsAsAreUniversal) {
  set_.mutable_random()->mutable_universal()->set_correlation("correlations/c");
  set_.mutable_random()->set_draws(20);
  set_.mutable_random()->set_seed(7);
  const auto resolved = Resolve();
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_TRUE(resolved->random);
  ASSERT_EQ(resolved->sets.size(), 20u);
  for (const analysis::NeuronSet& set : resolved->sets) {
    EXPECT_EQ(std::set(set.begin(), set.end()).size(), 3u);
    EXPECT_TRUE(std::is_sorted(set.begin(), set.end()));
    EXPECT_GE(set.front(), 0);
    EXPECT_LT(set.back(), 6);
  }
  EXPECT_EQ(Sets(), resolved->sets);
  EXPECT_GT(std::set(resolved->sets.begin(), resolved->sets.end()).size(), 1u);
  set_.mutable_random()->set_seed(8);
  EXPECT_NE(Sets(), resolved->sets);
}

TEST_F(NeuronSetsTest, TakesExplicitNeuronsInAnyOrder) {
  AddExplicit(1, 2);
  AddExplicit(0, 0);
  AddExplicit(1, 0);
  EXPECT_THAT(Sets(), ElementsAre(ElementsAre(0, 3, 5)));
  const std::string digest = Digest();
  set_.clear_explicit_();
  AddExplicit(0, 0);
  AddExplicit(1, 0);
  AddExplicit(1, 2);
  EXPECT_EQ(Digest(), digest);
  AddExplicit(1, 1);
  EXPECT_NE(Digest(), digest);
}

TEST_F(NeuronSetsTest, FillsInDefaultsSoThatEqualRequestsHaveEqualNames) {
  set_.mutable_random()->mutable_universal()->set_correlation("correlations/c");
  const std::string digest = Digest();
  v1::RandomNeurons& random = *set_.mutable_random();
  random.mutable_universal()->set_threshold(0.5);
  random.mutable_universal()->set_rule(v1::UNIVERSALITY_RULE_MEAN);
  random.set_draws(5);
  EXPECT_EQ(Digest(), digest);
  random.set_draws(6);
  EXPECT_NE(Digest(), digest);
}

TEST_F(NeuronSetsTest, GivesDifferentSetsDifferentNames) {
  std::set<std::string> digests;
  set_.mutable_universal()->set_correlation("correlations/c");
  digests.insert(Digest());
  set_.mutable_universal()->set_threshold(0.4);
  digests.insert(Digest());
  set_.mutable_universal()->set_rule(v1::UNIVERSALITY_RULE_ANY);
  digests.insert(Digest());
  set_.mutable_others()->set_correlation("correlations/c");
  digests.insert(Digest());
  set_.mutable_random()->mutable_universal()->set_correlation("correlations/c");
  digests.insert(Digest());
  set_.mutable_random()->set_seed(1);
  digests.insert(Digest());
  EXPECT_EQ(digests.size(), 6u);
}

TEST_F(NeuronSetsTest, RefusesNeuronsThatTheModelDoesNotHave) {
  for (const auto& [layer, neuron] :
       {std::pair{-1, 0}, std::pair{2, 0}, std::pair{0, 3}, std::pair{0, -1}}) {
    set_.Clear();
    AddExplicit(layer, neuron);
    EXPECT_EQ(Refusal(), "INVALID_NEURON") << layer << ":" << neuron;
    EXPECT_THAT(std::string(Resolve().status().message()), HasSubstr("0 to 2"));
  }
  set_.Clear();
  AddExplicit(1, 1);
  AddExplicit(0, 0);
  AddExplicit(1, 1);
  EXPECT_EQ(Refusal(), "DUPLICATE_NEURON");
  EXPECT_THAT(std::string(Resolve().status().message()), HasSubstr("1:1"));
}

TEST_F(NeuronSetsTest, RefusesSetsThatSayNothing) {
  EXPECT_EQ(Refusal(), "MISSING_NEURONS");
  set_.mutable_explicit_();
  EXPECT_EQ(Refusal(), "EMPTY_NEURON_SET");
  set_.mutable_universal()->set_correlation("correlations/c");
  set_.mutable_universal()->set_threshold(2);
  EXPECT_EQ(Refusal(), "EMPTY_NEURON_SET");
  set_.mutable_random()->mutable_universal()->set_correlation("correlations/c");
  set_.mutable_random()->mutable_universal()->set_threshold(2);
  EXPECT_EQ(Refusal(), "EMPTY_NEURON_SET");
}

TEST_F(NeuronSetsTest, RefusesParametersOutOfRange) {
  v1::RandomNeurons& random = *set_.mutable_random();
  random.mutable_universal()->set_correlation("correlations/c");
  for (const int draws : {-1, 101}) {
    random.set_draws(draws);
    EXPECT_EQ(Refusal(), "INVALID_DRAWS");
  }
  random.set_draws(1);
  random.mutable_universal()->set_threshold(3);
  EXPECT_EQ(Refusal(), "INVALID_THRESHOLD");
  random.mutable_universal()->clear_threshold();
  random.mutable_universal()->set_rule(static_cast<v1::UniversalityRule>(9));
  EXPECT_EQ(Refusal(), "INVALID_RULE");
  random.mutable_universal()->set_rule(v1::UNIVERSALITY_RULE_MEAN);
  random.mutable_universal()->set_correlation("correlations/none");
  EXPECT_EQ(Refusal(), "CORRELATION_NOT_FOUND");
  random.mutable_universal()->clear_correlation();
  EXPECT_EQ(Refusal(), "INVALID_RESOURCE_NAME");
}

TEST_F(NeuronSetsTest, RefusesACorrelationOfOtherWeights) {
  set_.mutable_universal()->set_correlation("correlations/c");
  checkpoint_.weights_sha256 = "other weights";
  EXPECT_EQ(Refusal(), "WRONG_REFERENCE");
  EXPECT_THAT(std::string(Resolve().status().message()), HasSubstr("other weights"));
}

TEST_F(NeuronSetsTest, ReportsADamagedCorrelation) {
  set_.mutable_universal()->set_correlation("correlations/c");
  analysis::CorrelationResult result = HandMadeResult();
  result.dead.clear();
  ASSERT_TRUE(store_
                  ->PutResult("correlations", "c", HandMadeManifest("c").SerializeAsString(),
                              results::EncodeColumns(result))
                  .ok());
  EXPECT_EQ(Refusal(), "DAMAGED_RESULT");
}

}  // namespace
}  // namespace homolog::operations
