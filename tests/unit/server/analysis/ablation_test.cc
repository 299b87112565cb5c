#include "server/analysis/ablation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "ablation_oracle.h"
#include "common/error.h"
#include "fake_model.h"

namespace homolog::analysis {
namespace {

using ::testing::ElementsAre;

AblationResult Ablate(const FakeModel& model, const std::vector<NeuronSet>& sets,
                      const FakeTokens& tokens, const AblationOptions& options = {}) {
  RunControl control;
  const auto result = RunAblation(model, sets, options, tokens, control);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *result : AblationResult{};
}

void ExpectNear(const Estimate& actual, const Estimate& expected, double tolerance) {
  EXPECT_NEAR(actual.mean, expected.mean, tolerance);
  EXPECT_NEAR(actual.standard_error, expected.standard_error, tolerance);
}

void ExpectSame(const AblationEffect& actual, const AblationEffect& expected,
                double tolerance = 1e-5) {
  EXPECT_EQ(actual.neuron_count, expected.neuron_count);
  ExpectNear(actual.ablated_loss, expected.ablated_loss, tolerance);
  ExpectNear(actual.loss_increase, expected.loss_increase, tolerance);
  ExpectNear(actual.kl, expected.kl, tolerance);
  ExpectNear(actual.entropy_change, expected.entropy_change, tolerance);
  ExpectNear(actual.top1_agreement, expected.top1_agreement, 1e-12);
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
  ExpectNear(result.clean_loss, AblationByTheBook(model, {}, tokens).ablated_loss, 1e-5);
  ASSERT_EQ(result.effects.size(), 4);
  for (size_t i = 0; i < sets.size(); ++i) {
    SCOPED_TRACE(i);
    const AblationEffect expected = AblationByTheBook(model, sets[i], tokens);
    EXPECT_GT(expected.kl.mean, 0.01);
    EXPECT_GT(std::abs(expected.entropy_change.mean), 1e-3);
    EXPECT_LT(expected.top1_agreement.mean, 1);
    ExpectSame(result.effects[i], expected);
  }
}

TEST(AblationTest, ReplacesActivationsByKind) {
  const FakeModel model = RandomModel(Shape(3, 5, 23), 1);
  const FakeTokens tokens = RandomTokens(2520, 20, 23);
  const std::vector<NeuronSet> sets = {{0, 6, 14}, {5, 6, 7, 8, 9}, All(15)};
  for (const AblationOptions& options :
       {AblationOptions{AblationKind::kMean}, AblationOptions{AblationKind::kFixed, 0.7},
        AblationOptions{AblationKind::kThreshold, 0.2},
        AblationOptions{AblationKind::kResample, 0, 5}}) {
    const AblationResult result = Ablate(model, sets, tokens, options);
    ASSERT_EQ(result.effects.size(), 3);
    for (size_t i = 0; i < sets.size(); ++i) {
      SCOPED_TRACE(testing::Message() << static_cast<int>(options.kind) << " " << i);
      const AblationEffect expected = AblationByTheBook(model, sets[i], tokens, options);
      EXPECT_GT(expected.kl.mean, 0.001);
      ExpectSame(result.effects[i], expected);
    }
  }
}

TEST(AblationTest, ResamplesByItsSeedAlone) {
  // Not by what else is measured, nor by how the tokens fall into batches.
  const FakeModel model = RandomModel(Shape(2, 5, 23), 1);
  const FakeTokens tokens = RandomTokens(4200, 20, 23);
  const AblationOptions five{AblationKind::kResample, 0, 5}, six{AblationKind::kResample, 0, 6};
  const AblationResult alone = Ablate(model, {{1, 7}}, tokens, five);
  const std::vector<NeuronSet> many(40, {1, 7});
  const AblationResult together = Ablate(model, many, tokens, five);
  EXPECT_NEAR(alone.effects[0].kl.mean, together.effects[39].kl.mean, 1e-7);
  EXPECT_GT(
      std::abs(alone.effects[0].kl.mean - Ablate(model, {{1, 7}}, tokens, six).effects[0].kl.mean),
      1e-6);
}

TEST(AblationTest, SeveralSetsAtOnceAreOneAtATime) {
  // Up to the rounding of products of another height.
  const FakeModel model = RandomModel(Shape(3, 5, 23), 1);
  const FakeTokens tokens = RandomTokens(200, 20, 23);
  const std::vector<NeuronSet> sets = {{0, 14}, {}, {2, 3, 11}, {0, 14}, {10}, {9}, {13, 14}};
  const AblationResult together = Ablate(model, sets, tokens);
  ASSERT_EQ(together.effects.size(), sets.size());
  for (size_t i = 0; i < sets.size(); ++i) {
    const AblationResult alone = Ablate(model, {sets[i]}, tokens);
    EXPECT_EQ(alone.clean_loss.mean, together.clean_loss.mean);
    ExpectSame(alone.effects[0], together.effects[i], 1e-6);
  }
}

TEST(AblationTest, SetsBeyondWhatOnePassHoldsGetAnother) {
  // 512 MiB of residual streams: 40 sequences-long sets at a time.
  engine::ModelShape shape = Shape(1, 2, 5, 100000);
  shape.d_model = 32;
  const FakeModel model = RandomModel(shape, 1);
  const FakeTokens tokens = RandomTokens(100000, 100000, 5);
  const std::vector<NeuronSet> sets(45, {1});
  RecordingControl control;
  const auto result = RunAblation(model, sets, {}, tokens, control);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(control.tokens, 100000 * (45 + 2));
  EXPECT_THAT(control.total_tokens, ElementsAre(100000 * (45 + 2)));
  ASSERT_EQ(result->effects.size(), 45);
  EXPECT_NEAR(result->effects[0].kl.mean, result->effects[44].kl.mean, 1e-6);
}

TEST(AblationTest, TheEmptySetChangesNothingAtAll) {
  const FakeModel model = RandomModel(Shape(3, 5, 23), 1);
  const AblationResult result = Ablate(model, {{}}, RandomTokens(200, 20, 23));
  EXPECT_EQ(result.effects[0].neuron_count, 0);
  EXPECT_EQ(result.effects[0].kl.mean, 0);
  EXPECT_EQ(result.effects[0].loss_increase.mean, 0);
  EXPECT_EQ(result.effects[0].entropy_change.mean, 0);
  EXPECT_EQ(result.effects[0].top1_agreement.mean, 1);
  EXPECT_EQ(result.effects[0].ablated_loss.mean, result.clean_loss.mean);
}

TEST(AblationTest, NoSetsGiveTheCleanLoss) {
  const FakeModel model = RandomModel(Shape(1, 5, 23), 1);
  const FakeTokens tokens = RandomTokens(200, 20, 23);
  const AblationResult result = Ablate(model, {}, tokens);
  EXPECT_TRUE(result.effects.empty());
  ExpectNear(result.clean_loss, AblationByTheBook(model, {}, tokens).ablated_loss, 1e-5);
}

TEST(AblationTest, TakesOutActivationsThatAreNoFiniteNumbers) {
  const engine::ModelShape shape = Shape(2, 4, 23);
  const FakeModel finite = RandomModel(shape, 1);
  const FakeModel broken(shape, [&](int64_t token, int64_t neuron) {
    return neuron == 5 ? std::numeric_limits<double>::infinity()
                       : finite.Activation(engine::Site::kMlpPost, token, 0, neuron);
  });
  RunControl control;
  const auto result = RunAblation(broken, {{5}}, {}, RandomTokens(200, 20, 23), control);
  // The clean model cannot predict: said, not reported as a number.
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(result.status()), "NON_FINITE_LOSS");
}

TEST(AblationTest, RefusesATokenStreamThatPredictsNothing) {
  const FakeModel model = RandomModel(Shape(1, 5, 23), 1);
  for (const FakeTokens& tokens : {FakeTokens({1, 2, 3}, 1), FakeTokens({1, 2}, 3)}) {
    RunControl control;
    const auto result = RunAblation(model, {{0}}, {}, tokens, control);
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
  EXPECT_NEAR(result.effects[0].ablated_loss.mean / expected.ablated_loss.mean, 1, 5e-5);
  EXPECT_NEAR(result.effects[0].kl.mean / expected.kl.mean, 1, 5e-5);
  EXPECT_NEAR(result.effects[0].entropy_change.mean, expected.entropy_change.mean, 5e-5);
  EXPECT_NEAR(result.effects[0].top1_agreement.mean, expected.top1_agreement.mean, 1e-12);
}

TEST(AblationTest, EndsAtAnyCheckWithTheStatusOfTheCheck) {
  const FakeModel model = RandomModel(Shape(1, 5, 23), 1);
  const FakeTokens tokens = RandomTokens(2520, 20, 23);
  RecordingControl never;
  ASSERT_TRUE(RunAblation(model, {{0}, {1}}, {}, tokens, never).ok());
  EXPECT_GE(never.checks, 2 * 3);  // two batches; a check before each pass
  for (int64_t check = 1; check <= never.checks; ++check) {
    RecordingControl control(check);
    const auto result = RunAblation(model, {{0}, {1}}, {}, tokens, control);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
  }
}

TEST(AblationTest, CountsTheTokensOfEveryPass) {
  const FakeModel model = RandomModel(Shape(1, 5, 23), 1);
  RecordingControl control;
  ASSERT_TRUE(RunAblation(model, {{0}, {1}}, {}, RandomTokens(2520, 20, 23), control).ok());
  EXPECT_THAT(control.total_tokens, ElementsAre(3 * 2520));
  EXPECT_EQ(control.tokens, 3 * 2520);
}

AblationEffect Effect(double loss, double kl, double entropy_change, double agreement) {
  return {5, {loss, 0.1}, {loss - 1, 0.2}, {kl, 0.3}, {entropy_change, 0.4}, {agreement, 0.5}};
}

TEST(EffectsTest, AreSummarisedByMeanAndDeviation) {
  const std::vector<AblationEffect> effects = {
      Effect(1.0, 0.5, -1.0, 0.25), Effect(2.0, 0.5, 0.0, 0.5), Effect(6.0, 2.0, 1.0, 0.75)};
  const AblationEffect mean = MeanEffect(effects), deviation = EffectDeviation(effects);
  EXPECT_EQ(mean.neuron_count, 5);
  EXPECT_DOUBLE_EQ(mean.ablated_loss.mean, 3);
  EXPECT_DOUBLE_EQ(mean.loss_increase.mean, 2);
  EXPECT_DOUBLE_EQ(mean.kl.mean, 1);
  EXPECT_DOUBLE_EQ(mean.entropy_change.mean, 0);
  EXPECT_DOUBLE_EQ(mean.top1_agreement.mean, 0.5);
  EXPECT_DOUBLE_EQ(mean.kl.standard_error, 0.3);
  EXPECT_DOUBLE_EQ(deviation.ablated_loss.mean, std::sqrt(7.0));
  EXPECT_DOUBLE_EQ(deviation.loss_increase.mean, std::sqrt(7.0));
  EXPECT_DOUBLE_EQ(deviation.kl.mean, std::sqrt(0.75));
  EXPECT_DOUBLE_EQ(deviation.entropy_change.mean, 1);
  EXPECT_DOUBLE_EQ(deviation.top1_agreement.mean, 0.25);
  EXPECT_EQ(deviation.kl.standard_error, 0);
}

TEST(EffectsTest, OneEffectIsItsOwnMeanAndHasNoDeviation) {
  const std::vector<AblationEffect> effects = {Effect(1.0, 0.5, -1.0, 0.25)};
  EXPECT_EQ(MeanEffect(effects).ablated_loss.mean, 1);
  EXPECT_EQ(MeanEffect(effects).entropy_change.mean, -1);
  const AblationEffect deviation = EffectDeviation(effects);
  EXPECT_EQ(deviation.ablated_loss.mean, 0);
  EXPECT_EQ(deviation.kl.mean, 0);
  EXPECT_EQ(deviation.top1_agreement.mean, 0);
}

TEST(EffectsTest, NoEffectsGiveNumbersToo) {
  EXPECT_EQ(MeanEffect({}).kl.mean, 0);
  EXPECT_EQ(EffectDeviation({}).kl.mean, 0);
}

}  // namespace
}  // namespace homolog::analysis
