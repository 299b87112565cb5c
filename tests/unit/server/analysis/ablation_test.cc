#include "server/analysis/ablation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "common/error.h"
#include "fake_model.h"
#include "oracle.h"

namespace homolog::analysis {
namespace {

using ::testing::ElementsAre;

AblationResult Ablate(const FakeModel& model, const std::vector<NeuronSet>& sets,
                      const FakeTokens& tokens) {
  RunControl control;
  const auto result = RunZeroAblation(model, sets, tokens, control);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *result : AblationResult{};
}

void ExpectSame(const AblationEffect& actual, const AblationEffect& expected,
                double tolerance = 1e-5) {
  EXPECT_EQ(actual.neuron_count, expected.neuron_count);
  EXPECT_NEAR(actual.ablated_loss, expected.ablated_loss, tolerance);
  EXPECT_NEAR(actual.kl, expected.kl, tolerance);
  EXPECT_NEAR(actual.entropy_change, expected.entropy_change, tolerance);
  EXPECT_NEAR(actual.top1_agreement, expected.top1_agreement, 1e-12);
}

NeuronSet All(int64_t neurons) {
  NeuronSet all(neurons);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

TEST(AblationTest, MeasuresWhatTheDefinitionsSay) {
  // More positions than one batch, and a ragged last one.
  const FakeModel model = RandomModel(Shape(3, 5, 23), 1);
  const FakeTokens tokens = RandomTokens(2520, 20, 23);
  const std::vector<NeuronSet> sets = {{0}, {2, 3, 11}, {5, 6, 7, 8, 9}, All(15)};
  const AblationResult result = Ablate(model, sets, tokens);
  EXPECT_EQ(result.predicted_positions, 126 * 19);
  EXPECT_NEAR(result.clean_loss, AblationByTheBook(model, {}, tokens).ablated_loss, 1e-5);
  ASSERT_EQ(result.effects.size(), 4);
  for (size_t i = 0; i < sets.size(); ++i) {
    SCOPED_TRACE(i);
    const AblationEffect expected = AblationByTheBook(model, sets[i], tokens);
    EXPECT_GT(expected.kl, 0.01);
    EXPECT_GT(std::abs(expected.entropy_change), 1e-3);
    EXPECT_LT(expected.top1_agreement, 1);
    ExpectSame(result.effects[i], expected);
  }
}

TEST(AblationTest, SeveralSetsAtOnceAreOneAtATime) {
  const FakeModel model = RandomModel(Shape(3, 5, 23), 1);
  const FakeTokens tokens = RandomTokens(200, 20, 23);
  const std::vector<NeuronSet> sets = {{0, 14}, {}, {2, 3, 11}, {0, 14}};
  const AblationResult together = Ablate(model, sets, tokens);
  ASSERT_EQ(together.effects.size(), 4);
  for (size_t i = 0; i < sets.size(); ++i) {
    const AblationResult alone = Ablate(model, {sets[i]}, tokens);
    EXPECT_EQ(alone.clean_loss, together.clean_loss);
    EXPECT_EQ(alone.effects[0].neuron_count, together.effects[i].neuron_count);
    EXPECT_EQ(alone.effects[0].ablated_loss, together.effects[i].ablated_loss);
    EXPECT_EQ(alone.effects[0].kl, together.effects[i].kl);
    EXPECT_EQ(alone.effects[0].entropy_change, together.effects[i].entropy_change);
    EXPECT_EQ(alone.effects[0].top1_agreement, together.effects[i].top1_agreement);
  }
}

TEST(AblationTest, TheEmptySetChangesNothingAtAll) {
  const FakeModel model = RandomModel(Shape(3, 5, 23), 1);
  const AblationResult result = Ablate(model, {{}}, RandomTokens(200, 20, 23));
  EXPECT_EQ(result.effects[0].neuron_count, 0);
  EXPECT_EQ(result.effects[0].kl, 0);
  EXPECT_EQ(result.effects[0].entropy_change, 0);
  EXPECT_EQ(result.effects[0].top1_agreement, 1);
  EXPECT_EQ(result.effects[0].ablated_loss, result.clean_loss);
}

TEST(AblationTest, NoSetsGiveTheCleanLoss) {
  const FakeModel model = RandomModel(Shape(1, 5, 23), 1);
  const FakeTokens tokens = RandomTokens(200, 20, 23);
  const AblationResult result = Ablate(model, {}, tokens);
  EXPECT_TRUE(result.effects.empty());
  EXPECT_NEAR(result.clean_loss, AblationByTheBook(model, {}, tokens).ablated_loss, 1e-5);
}

TEST(AblationTest, TakesOutActivationsThatAreNoFiniteNumbers) {
  const engine::ModelShape shape = Shape(2, 4, 23);
  const FakeModel finite = RandomModel(shape, 1);
  const FakeModel broken(shape, [&](int64_t token, int64_t neuron) {
    return neuron == 5 ? std::numeric_limits<double>::infinity()
                       : finite.Activation(engine::Site::kMlpPost, token, 0, neuron);
  });
  RunControl control;
  const auto result = RunZeroAblation(broken, {{5}}, RandomTokens(200, 20, 23), control);
  // The clean model cannot predict: said, not reported as a number.
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(result.status()), "NON_FINITE_LOSS");
}

TEST(AblationTest, RefusesATokenStreamThatPredictsNothing) {
  const FakeModel model = RandomModel(Shape(1, 5, 23), 1);
  for (const FakeTokens& tokens : {FakeTokens({1, 2, 3}, 1), FakeTokens({1, 2}, 3)}) {
    RunControl control;
    const auto result = RunZeroAblation(model, {{0}}, tokens, control);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(ErrorReason(result.status()), "TOO_FEW_POSITIONS");
  }
}

TEST(AblationTest, ReducesALargeVocabularyInSlices) {
  // 41 positions of 400 thousand logits fit into 64 MiB: 44 positions are two slices, the border in
  // the midst of the second sequence.
  const int64_t vocabulary = 400000;
  const engine::ModelShape shape = {2, 2, 3, 1, vocabulary, 22};
  const FakeModel model(shape, [](int64_t token, int64_t neuron) {
    return std::sin(static_cast<double>(token * (neuron + 1)));
  });
  const FakeTokens tokens = RandomTokens(44, 22, vocabulary);
  const AblationResult result = Ablate(model, {{0, 1, 4}}, tokens);
  EXPECT_EQ(result.predicted_positions, 42);
  ExpectSame(result.effects[0], AblationByTheBook(model, {0, 1, 4}, tokens), 3e-5);
}

TEST(AblationTest, StaysPreciseWhereOneTokenIsAllButCertain) {
  // Logits of hundreds: most probabilities underflow.
  FakeModel model = RandomModel(Shape(2, 5, 23), 1);
  model.set_unembedding(NormalTable(6, 23, 9) * 100);
  const FakeTokens tokens = RandomTokens(200, 20, 23);
  const AblationResult result = Ablate(model, {{1, 7}}, tokens);
  const AblationEffect expected = AblationByTheBook(model, {1, 7}, tokens);
  // The logits themselves are float32: to about 1e-4 of hundreds.
  EXPECT_NEAR(result.effects[0].ablated_loss / expected.ablated_loss, 1, 5e-5);
  EXPECT_NEAR(result.effects[0].kl / expected.kl, 1, 5e-5);
  EXPECT_NEAR(result.effects[0].entropy_change, expected.entropy_change, 5e-5);
  EXPECT_NEAR(result.effects[0].top1_agreement, expected.top1_agreement, 1e-12);
}

TEST(AblationTest, EndsAtAnyCheckWithTheStatusOfTheCheck) {
  const FakeModel model = RandomModel(Shape(1, 5, 23), 1);
  const FakeTokens tokens = RandomTokens(2520, 20, 23);
  RecordingControl never;
  ASSERT_TRUE(RunZeroAblation(model, {{0}, {1}}, tokens, never).ok());
  EXPECT_GE(never.checks, 2 * 3);  // two batches; a check before each pass
  for (int64_t check = 1; check <= never.checks; ++check) {
    RecordingControl control(check);
    const auto result = RunZeroAblation(model, {{0}, {1}}, tokens, control);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
  }
}

TEST(AblationTest, CountsTheTokensOfEveryPass) {
  const FakeModel model = RandomModel(Shape(1, 5, 23), 1);
  RecordingControl control;
  ASSERT_TRUE(RunZeroAblation(model, {{0}, {1}}, RandomTokens(2520, 20, 23), control).ok());
  EXPECT_THAT(control.total_tokens, ElementsAre(3 * 2520));
  EXPECT_EQ(control.tokens, 3 * 2520);
}

TEST(RandomNeuronsTest, AreDistinctAscendingAndInRange) {
  for (const int64_t count : {0, 1, 7, 99, 100}) {
    const NeuronSet set = RandomNeurons(100, count, 1, 0);
    EXPECT_EQ(set.size(), count);
    for (size_t i = 0; i < set.size(); ++i) {
      EXPECT_GE(set[i], i == 0 ? 0 : set[i - 1] + 1);
      EXPECT_LT(set[i], 100);
    }
  }
  EXPECT_EQ(RandomNeurons(100, 100, 1, 0), All(100));
  EXPECT_TRUE(RandomNeurons(0, 0, 1, 0).empty());
}

TEST(RandomNeuronsTest, DependOnSeedAndDrawAlone) {
  EXPECT_EQ(RandomNeurons(1000, 50, 3, 4), RandomNeurons(1000, 50, 3, 4));
  std::set<NeuronSet> sets;
  for (int64_t draw = 0; draw < 20; ++draw) {
    for (uint64_t seed = 0; seed < 20; ++seed) sets.insert(RandomNeurons(1000, 50, seed, draw));
  }
  EXPECT_EQ(sets.size(), 400);
}

TEST(RandomNeuronsTest, AreUniform) {
  // Every neuron and every pair of neurons equally often: chi-square within 5 deviations.
  constexpr int64_t kNeurons = 12, kCount = 4, kDraws = 20000;
  std::map<int64_t, double> ones;
  std::map<std::pair<int64_t, int64_t>, double> pairs;
  for (int64_t draw = 0; draw < kDraws; ++draw) {
    const NeuronSet set = RandomNeurons(kNeurons, kCount, 17, draw);
    for (size_t i = 0; i < set.size(); ++i) {
      ++ones[set[i]];
      for (size_t j = 0; j < i; ++j) ++pairs[{set[j], set[i]}];
    }
  }
  ASSERT_EQ(ones.size(), kNeurons);
  ASSERT_EQ(pairs.size(), kNeurons * (kNeurons - 1) / 2);
  auto chi_square = [](const auto& counts, double expected) {
    double sum = 0;
    for (const auto& [key, count] : counts) sum += std::pow(count - expected, 2) / expected;
    return sum;
  };
  EXPECT_LT(chi_square(ones, kDraws * kCount / 12.0), 11 + 5 * std::sqrt(2 * 11.0));
  EXPECT_LT(chi_square(pairs, kDraws * 6 / 66.0), 65 + 5 * std::sqrt(2 * 65.0));
}

TEST(EffectsTest, AreSummarisedByMeanAndDeviation) {
  const std::vector<AblationEffect> effects = {
      {5, 1.0, 0.5, -1.0, 0.25}, {5, 2.0, 0.5, 0.0, 0.5}, {5, 6.0, 2.0, 1.0, 0.75}};
  const AblationEffect mean = MeanEffect(effects), deviation = EffectDeviation(effects);
  EXPECT_EQ(mean.neuron_count, 5);
  EXPECT_DOUBLE_EQ(mean.ablated_loss, 3);
  EXPECT_DOUBLE_EQ(mean.kl, 1);
  EXPECT_DOUBLE_EQ(mean.entropy_change, 0);
  EXPECT_DOUBLE_EQ(mean.top1_agreement, 0.5);
  EXPECT_DOUBLE_EQ(deviation.ablated_loss, std::sqrt(7.0));
  EXPECT_DOUBLE_EQ(deviation.kl, std::sqrt(0.75));
  EXPECT_DOUBLE_EQ(deviation.entropy_change, 1);
  EXPECT_DOUBLE_EQ(deviation.top1_agreement, 0.25);
}

TEST(EffectsTest, OneEffectIsItsOwnMeanAndHasNoDeviation) {
  const std::vector<AblationEffect> effects = {{5, 1.0, 0.5, -1.0, 0.25}};
  EXPECT_EQ(MeanEffect(effects).ablated_loss, 1);
  EXPECT_EQ(MeanEffect(effects).entropy_change, -1);
  const AblationEffect deviation = EffectDeviation(effects);
  EXPECT_EQ(deviation.ablated_loss, 0);
  EXPECT_EQ(deviation.kl, 0);
  EXPECT_EQ(deviation.entropy_change, 0);
  EXPECT_EQ(deviation.top1_agreement, 0);
}

TEST(EffectsTest, NoEffectsGiveNumbersToo) {
  EXPECT_EQ(MeanEffect({}).kl, 0);
  EXPECT_EQ(EffectDeviation({}).kl, 0);
}

}  // namespace
}  // namespace homolog::analysis
