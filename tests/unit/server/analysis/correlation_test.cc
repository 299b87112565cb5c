#include "server/analysis/correlation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "common/error.h"
#include "fake_model.h"
#include "oracle.h"

namespace homolog::analysis {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

absl::StatusOr<CorrelationResult> Compute(const FakeModel& reference,
                                          const std::vector<const engine::Model*>& partners,
                                          const FakeTokens& tokens,
                                          const CorrelationOptions& options = {},
                                          int64_t cancel_at = 0) {
  RecordingControl control(cancel_at);
  std::vector<const engine::Model*> models = {&reference};
  models.insert(models.end(), partners.begin(), partners.end());
  absl::StatusOr<CorrelationSet> set = ComputeCorrelations(models, tokens, options, control);
  if (!set.ok()) return set.status();
  return std::move(set->results[0]);
}

// 4096 positions are a block; 8200 of length 20 make two and a ragged one.
FakeTokens Tokens(int64_t vocabulary) { return RandomTokens(8200, 20, vocabulary); }

TEST(CorrelationTest, FindsTheBestPartnerNeuronOfEveryLayer) {
  const engine::ModelShape shape = Shape(3, 20, 500);
  const FakeModel reference = RandomModel(shape, 1), partner = RandomModel(shape, 2);
  ExpectCorrelationsMatchTheOracle(reference, {&partner}, Tokens(500), {});
}

TEST(CorrelationTest, ReadsActivationsBeforeTheNonlinearity) {
  const engine::ModelShape shape = Shape(2, 20, 500);
  const FakeModel reference = RandomModel(shape, 1), partner = RandomModel(shape, 2);
  ExpectCorrelationsMatchTheOracle(reference, {&partner}, Tokens(500),
                                   {.site = engine::Site::kMlpPre});
}

TEST(CorrelationTest, ActivationsMayDependOnThePlaceInTheSequence) {
  const engine::ModelShape shape = Shape(2, 20, 500);
  FakeModel reference = RandomModel(shape, 1), partner = RandomModel(shape, 2);
  for (int64_t p = 0; p < 20; ++p) {
    reference.set_gain(p, static_cast<float>(p + 1));
    partner.set_gain(p, static_cast<float>(20 - p) * 0.1f);
  }
  ExpectCorrelationsMatchTheOracle(reference, {&partner}, Tokens(500), {});
}

TEST(CorrelationTest, PairsNeuronsOfTheSamePlace) {
  const engine::ModelShape shape = Shape(3, 20, 500);
  const FakeModel reference = RandomModel(shape, 1), partner = RandomModel(shape, 2);
  ExpectCorrelationsMatchTheOracle(reference, {&partner}, Tokens(500),
                                   {.pairing = Pairing::kSameIndex, .rotations = 3});
}

TEST(CorrelationTest, ComparesWithPartnersOfOtherShapesInOnePass) {
  const FakeModel reference = RandomModel(Shape(2, 20, 500), 1);
  const FakeModel wide = RandomModel(Shape(1, 33, 500), 2), deep = RandomModel(Shape(5, 7, 500), 3),
                  same = RandomModel(Shape(2, 20, 500), 4);
  ExpectCorrelationsMatchTheOracle(reference, {&wide, &deep, &same, &wide}, Tokens(500),
                                   {.rotations = 2, .seed = 5});
}

TEST(CorrelationTest, LeavesOutExcludedTokens) {
  const engine::ModelShape shape = Shape(2, 12, 50);
  const FakeModel reference = RandomModel(shape, 1), partner = RandomModel(shape, 2);
  const CorrelationResult result = ExpectCorrelationsMatchTheOracle(
      reference, {&partner}, Tokens(50), {.excluded_token_ids = {0, 7, 8, 49}});
  EXPECT_GT(result.excluded_positions, 200);
}

TEST(CorrelationTest, SkipsBlocksOfExcludedTokensOnly) {
  const engine::ModelShape shape = Shape(2, 12, 51);
  const FakeModel reference = RandomModel(shape, 1), partner = RandomModel(shape, 2);
  const FakeTokens random = RandomTokens(16400, 20, 50);
  std::vector<int64_t> ids(random.positions());
  for (int64_t p = 0; p < random.positions(); ++p) {
    ids[p] = p < 4100 || (p > 8000 && p < 12400) ? 50 : random.id(p);
  }
  ExpectCorrelationsMatchTheOracle(reference, {&partner}, FakeTokens(ids, 20),
                                   {.excluded_token_ids = {50}});
}

TEST(CorrelationTest, ASequenceMayBeLongerThanABlock) {
  const engine::ModelShape shape = Shape(2, 12, 500, 5000);
  const FakeModel reference = RandomModel(shape, 1), partner = RandomModel(shape, 2);
  ExpectCorrelationsMatchTheOracle(reference, {&partner}, RandomTokens(10000, 5000, 500), {});
}

TEST(CorrelationTest, TwoPositionsAreEnough) {
  const engine::ModelShape shape = Shape(2, 6, 2);
  const FakeModel reference = RandomModel(shape, 1), partner = RandomModel(shape, 2);
  ExpectCorrelationsMatchTheOracle(reference, {&partner}, CountingTokens(2, 2), {});
}

TEST(CorrelationTest, AModelEqualsItself) {
  const FakeModel model = RandomModel(Shape(2, 20, 500), 1);
  const auto result = Compute(model, {&model}, Tokens(500));
  ASSERT_TRUE(result.ok()) << result.status();
  for (int32_t k = 0; k < 40; ++k) {
    EXPECT_NEAR(result->partners[0].max_corr[k], 1, 5e-6);
    EXPECT_LE(result->partners[0].max_corr[k], 1);
    EXPECT_EQ(result->partners[0].max_sim[k], k);
  }
}

// Activations of 1 and -1, half of each in every 64 positions: sums are exact, and so are ties.
FakeModel SignModel(const engine::ModelShape& shape, const std::vector<int>& pattern_of) {
  return FakeModel(shape, [pattern_of](int64_t token, int64_t neuron) {
    const int pattern = pattern_of[neuron];
    const double sign = (token >> std::abs(pattern)) % 2 == 0 ? 1 : -1;
    return pattern < 0 ? -sign : sign;
  });
}

TEST(CorrelationTest, TiesGoToTheLowestLayerAndIndex) {
  const engine::ModelShape shape = Shape(2, 4, 4096);
  const FakeModel reference = SignModel(shape, {1, 2, 3, 4, 5, 1, 2, 3});
  const FakeModel partner = SignModel(shape, {2, 1, 2, -1, -1, 1, 3, 3});
  const auto result = Compute(reference, {&partner}, CountingTokens(4096, 64));
  ASSERT_TRUE(result.ok()) << result.status();
  // Neurons of pattern 4 and 5 have correlation 0 with every partner neuron.
  EXPECT_THAT(result->partners[0].max_sim, ::testing::ElementsAre(1, 0, 6, 0, 0, 1, 0, 6));
  EXPECT_THAT(result->partners[0].min_sim, ::testing::ElementsAre(3, 1, 0, 0, 0, 3, 1, 0));
  EXPECT_THAT(result->partners[0].max_corr, ::testing::ElementsAre(1, 1, 1, 0, 0, 1, 1, 1));
  EXPECT_THAT(result->partners[0].min_corr, ::testing::ElementsAre(-1, 0, 0, 0, 0, -1, 0, 0));
}

// Some neurons of RandomModel made constant.
FakeModel WithDead(const engine::ModelShape& shape, uint64_t seed,
                   const std::map<int64_t, float>& constants) {
  const FakeModel model = RandomModel(shape, seed);
  return FakeModel(shape, [&](int64_t token, int64_t neuron) -> double {
    const auto constant = constants.find(neuron);
    return constant != constants.end() ? constant->second
                                       : model.Activation(engine::Site::kMlpPost, token, 0, neuron);
  });
}

std::map<int64_t, float> Constants(int64_t first, int64_t count, float value) {
  std::map<int64_t, float> constants;
  for (int64_t i = first; i < first + count; ++i) constants[i] = value;
  return constants;
}

class DeadNeuronTest : public ::testing::TestWithParam<Pairing> {
 protected:
  CorrelationOptions Options() const { return {.pairing = GetParam(), .rotations = 2}; }
  const engine::ModelShape shape_ = Shape(3, 8, 300);
};

TEST_P(DeadNeuronTest, HaveCorrelationZeroWhateverTheirValue) {
  const FakeModel reference = WithDead(shape_, 1, {{0, 0}, {3, 0.1f}, {9, -1e3f}, {23, 1e-20f}});
  const FakeModel partner = WithDead(shape_, 2, {{0, 0.1f}, {4, 0}, {9, 3.3f}, {10, -7e3f}});
  const CorrelationResult result =
      ExpectCorrelationsMatchTheOracle(reference, {&partner}, Tokens(300), Options());
  for (const int k : {0, 3, 9, 23}) {
    EXPECT_EQ(result.dead[k], 1);
    EXPECT_EQ(result.partners[0].max_corr[k], 0);
    EXPECT_EQ(result.partners[0].min_corr[k], 0);
    EXPECT_EQ(result.partners[0].baseline[k], 0);
  }
  EXPECT_EQ(result.partners[0].partner_dead, 4);
}

TEST_P(DeadNeuronTest, ChangeNothingHoweverLargeTheirValue) {
  const FakeModel reference = RandomModel(shape_, 1);
  auto of_value = [&](float value) {
    const FakeModel partner = WithDead(shape_, 2, {{4, value}, {12, -value}});
    return *Compute(reference, {&partner}, Tokens(300), Options());
  };
  for (const float value : {1.0f, 1e-38f, 1e20f, 3e38f}) {
    EXPECT_EQ(of_value(value).partners[0].max_corr, of_value(0).partners[0].max_corr);
    EXPECT_EQ(of_value(value).partners[0].baseline, of_value(0).partners[0].baseline);
  }
}

TEST_P(DeadNeuronTest, MayFillALayerOfThePartner) {
  const FakeModel reference = RandomModel(shape_, 1);
  for (const float value : {0.0f, 0.1f}) {
    const FakeModel partner = WithDead(shape_, 2, Constants(8, 8, value));
    ExpectCorrelationsMatchTheOracle(reference, {&partner}, Tokens(300), Options());
  }
}

TEST_P(DeadNeuronTest, MayLeaveOneNeuronOfALayerAlive) {
  const FakeModel reference = RandomModel(shape_, 1);
  const FakeModel partner = WithDead(shape_, 2, Constants(8, 7, 0.1f));
  ExpectCorrelationsMatchTheOracle(reference, {&partner}, Tokens(300), Options());
}

TEST_P(DeadNeuronTest, MayBeAllThereIs) {
  const FakeModel alive = RandomModel(shape_, 1);
  const FakeModel zero(shape_, [](int64_t, int64_t) { return 0; });
  const FakeModel constant(shape_, [](int64_t, int64_t k) { return 0.1 + static_cast<double>(k); });
  for (const FakeModel* dead : {&zero, &constant}) {
    ExpectCorrelationsMatchTheOracle(*dead, {&alive, dead}, Tokens(300), Options());
    ExpectCorrelationsMatchTheOracle(alive, {dead}, Tokens(300), Options());
  }
}

TEST_P(DeadNeuronTest, AreNotThoseThatFireOutsideTheFirstBlock) {
  // All of layer 1 and one neuron of layer 2 fire at one position of the third block only.
  const engine::ModelShape shape = Shape(3, 8, 9000);
  const FakeModel base = RandomModel(shape, 1), other = RandomModel(shape, 2);
  auto rare = [](const FakeModel& model, int64_t at) {
    return [&model, at](int64_t token, int64_t neuron) {
      const bool rare = (neuron >= 8 && neuron < 16) || neuron == 20;
      if (!rare) return model.Activation(engine::Site::kMlpPost, token, 0, neuron);
      return token == at ? 5.0 : 0.1;
    };
  };
  const FakeModel reference(shape, rare(base, 8321)), partner(shape, rare(other, 8321)),
      elsewhere(shape, rare(other, 8999));
  const CorrelationResult result = ExpectCorrelationsMatchTheOracle(
      reference, {&partner, &elsewhere}, CountingTokens(9000, 20), Options());
  EXPECT_THAT(result.dead, Each(0));
  EXPECT_NEAR(result.partners[0].max_corr[20], 1, 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Pairings, DeadNeuronTest,
                         ::testing::Values(Pairing::kBest, Pairing::kSameIndex));

TEST(CorrelationTest, RefusesTooFewPositions) {
  const FakeModel model = RandomModel(Shape(1, 4, 10), 1);
  const FakeTokens one({1, 2, 3, 4, 5, 5}, 3);
  for (const auto& [excluded, counted] : std::vector<std::pair<std::vector<int64_t>, std::string>>{
           {{1, 2, 3, 5}, "1 of 6"}, {{1, 2, 3, 4, 5}, "0 of 6"}}) {
    const auto result = Compute(model, {&model}, one, {.excluded_token_ids = excluded});
    EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(ErrorReason(result.status()), "TOO_FEW_POSITIONS");
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(counted));
  }
  EXPECT_EQ(ErrorReason(Compute(model, {&model}, FakeTokens({1}, 3)).status()),
            "TOO_FEW_POSITIONS");
}

// One activation of layer 1, neuron 2 is `value`, at a position of block `block`.
void ExpectNonFiniteIsNamed(float value, int64_t block, bool in_reference) {
  const engine::ModelShape shape = Shape(2, 6, 9000);
  const FakeModel good = RandomModel(shape, 1);
  const FakeModel bad(shape, [&](int64_t token, int64_t neuron) {
    return token == block * 4096 + 100 && neuron == 8
               ? value
               : good.Activation(engine::Site::kMlpPost, token, 0, neuron);
  });
  const auto result = in_reference ? Compute(bad, {&good}, CountingTokens(9000, 20))
                                   : Compute(good, {&good, &bad}, CountingTokens(9000, 20));
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(result.status()), "NON_FINITE_ACTIVATION");
  const std::string message(result.status().message());
  EXPECT_THAT(message, HasSubstr(in_reference ? "the reference" : "partner 2"));
  EXPECT_THAT(message, HasSubstr("layer 1, neuron 2 "));
  EXPECT_THAT(message, HasSubstr("1 neurons in all"));
}

TEST(CorrelationTest, NamesAnActivationThatIsNoFiniteNumber) {
  for (const float value : {std::nanf(""), kInfinity, -kInfinity}) {
    for (const int64_t block : {0, 2}) {
      ExpectNonFiniteIsNamed(value, block, true);
      ExpectNonFiniteIsNamed(value, block, false);
    }
  }
}

TEST(CorrelationTest, NamesAnActivationTooLargeForItsSquareToBeFinite) {
  for (const float value : {3e38f, -3e38f, 1e30f}) ExpectNonFiniteIsNamed(value, 2, false);
}

TEST(CorrelationTest, IgnoresWhatExcludedPositionsHold) {
  const engine::ModelShape shape = Shape(2, 6, 300);
  const FakeModel good = RandomModel(shape, 1), partner = RandomModel(shape, 2);
  const FakeModel bad(shape, [&](int64_t token, int64_t neuron) {
    return token == 9 ? kInfinity : good.Activation(engine::Site::kMlpPost, token, 0, neuron);
  });
  ExpectCorrelationsMatchTheOracle(bad, {&partner}, Tokens(300), {.excluded_token_ids = {9}});
}

TEST(CorrelationTest, EndsAtAnyCheckWithTheStatusOfTheCheck) {
  const FakeModel model = RandomModel(Shape(2, 6, 300), 1);
  RecordingControl never;
  ASSERT_TRUE(ComputeCorrelations({&model, &model, &model}, Tokens(300), {}, never).ok());
  EXPECT_GE(never.checks, 3 * 3);  // three blocks, three models
  for (int64_t check = 1; check <= never.checks; ++check) {
    const auto result = Compute(model, {&model, &model}, Tokens(300), {}, check);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled) << "check " << check;
  }
}

TEST(CorrelationTest, CancelsBetweenBatches) {
  const FakeModel model = RandomModel(Shape(2, 6, 300), 1);
  RecordingControl control(3);  // the reference and the partner took the first batch
  const auto result = ComputeCorrelations({&model, &model}, Tokens(300), {}, control);
  EXPECT_EQ(result.status(), absl::CancelledError("enough"));
  EXPECT_EQ(control.tokens, 2 * 4080);
}

TEST(CorrelationTest, CountsTheTokensOfEveryModel) {
  const FakeModel model = RandomModel(Shape(2, 6, 300), 1);
  RecordingControl control;
  ASSERT_TRUE(ComputeCorrelations({&model, &model, &model}, Tokens(300),
                                  {.excluded_token_ids = {1}}, control)
                  .ok());
  EXPECT_THAT(control.total_tokens, ::testing::ElementsAre(3 * 8200));
  EXPECT_EQ(control.tokens, 3 * 8200);
  EXPECT_EQ(control.stages.size(), 2);
}

// A token stream that cannot be read.
class BrokenTokens : public FakeTokens {
 public:
  BrokenTokens() : FakeTokens({1, 2, 3, 4}, 2) {}
  absl::StatusOr<at::Tensor> Read(int64_t, int64_t) const override {
    return DataLoss("DATASET_CORRUPT", "gone");
  }
};

TEST(CorrelationTest, PassesOnWhatReadingSays) {
  const FakeModel model = RandomModel(Shape(1, 6, 300), 1);
  EXPECT_EQ(ErrorReason(Compute(model, {&model}, BrokenTokens()).status()), "DATASET_CORRUPT");
}

TEST(CorrelationTest, TurnsExceptionsOfLibtorchIntoStatuses) {
  const FakeModel model = RandomModel(Shape(1, 6, 10), 1);
  const auto result = Compute(model, {&model}, RandomTokens(40, 20, 300));  // ids out of range
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(ErrorReason(result.status()), "TORCH_ERROR");
}

}  // namespace
}  // namespace homolog::analysis
