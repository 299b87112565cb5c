// Pairs that are known are not multiplied, and models of known pairs alone do not run.
#include <gtest/gtest.h>

#include "fake_model.h"
#include "oracle.h"
#include "server/analysis/correlation.h"
#include "server/analysis/correlation_plan.h"

namespace homolog::analysis {
namespace {

constexpr int64_t kPositions = 4200;  // a block and a ragged one

// A model that must not run.
class ForbiddenModel : public FakeModel {
 public:
  explicit ForbiddenModel(FakeModel model) : FakeModel(std::move(model)) {}
  at::Tensor Hidden(const at::Tensor& tokens,
                    const engine::ForwardOptions& options) const override {
    ADD_FAILURE() << "the model ran";
    return FakeModel::Hidden(tokens, options);
  }
};

class KnownPairsTest : public ::testing::TestWithParam<Pairing> {
 protected:
  CorrelationOptions Options(std::set<ModelPair> known, bool every_reference = true) const {
    return {.pairing = GetParam(),
            .rotations = 2,
            .excluded_token_ids = {7},
            .every_reference = every_reference,
            .known_pairs = std::move(known)};
  }
  CorrelationSet Compute(const std::vector<const FakeModel*>& models,
                         const CorrelationOptions& options) {
    const std::vector<const engine::Model*> all(models.begin(), models.end());
    RecordingControl control;
    auto set = ComputeCorrelations(all, tokens_, options, control);
    EXPECT_TRUE(set.ok()) << set.status();
    tokens_read_ = control.tokens;
    EXPECT_EQ(control.total_tokens, std::vector<int64_t>{tokens_read_});  // as announced
    return set.ok() ? *std::move(set) : CorrelationSet();
  }

  static void ExpectNoNumbers(const PairCorrelations& pair) {
    EXPECT_TRUE(pair.max_corr.empty() && pair.max_sim.empty() && pair.min_corr.empty() &&
                pair.min_sim.empty() && pair.baseline.empty() && pair.baseline_std.empty());
    EXPECT_TRUE(pair.distribution.mean.empty() && pair.distribution.top_corr.empty());
    EXPECT_TRUE(pair.layer_similarity.empty());
    EXPECT_EQ(pair.error.pairs, 0);
  }
  // Model `reference` of `models` has numbers for the partners in `computed`, and for no others.
  void ExpectPairs(CorrelationResult result, const std::vector<const FakeModel*>& models,
                   size_t reference, const std::set<size_t>& computed,
                   const CorrelationOptions& options) {
    SCOPED_TRACE(::testing::Message() << "reference " << reference);
    ASSERT_EQ(result.partners.size(), models.size() - 1);
    std::vector<const FakeModel*> partners;
    std::vector<PairCorrelations> pairs;
    for (size_t partner = 0; partner < models.size(); ++partner) {
      if (partner == reference) continue;
      PairCorrelations& pair = result.partners[partner < reference ? partner : partner - 1];
      if (computed.count(partner) == 0) {
        ExpectNoNumbers(pair);
        continue;
      }
      partners.push_back(models[partner]);
      pairs.push_back(std::move(pair));
    }
    result.partners = std::move(pairs);
    ExpectMatchesTheOracle(result, *models[reference], partners, tokens_, options);
  }

  const engine::ModelShape wide_ = Shape(3, 24, 300);
  const FakeModel a_ = RandomModel(wide_, 1), b_ = RandomModel(wide_, 2),
                  c_ = RandomModel(GetParam() == Pairing::kBest ? Shape(2, 30, 300) : wide_, 3),
                  d_ = RandomModel(wide_, 4);
  const ForbiddenModel idle_ = ForbiddenModel(RandomModel(wide_, 5));
  const FakeTokens tokens_ = RandomTokens(kPositions, 20, 300);
  int64_t tokens_read_ = 0;
};

TEST_P(KnownPairsTest, OnlyOtherPairsHaveNumbers) {
  const std::vector<const FakeModel*> models = {&a_, &b_, &c_, &d_};
  const CorrelationOptions options = Options({{0, 1}, {2, 3}});
  const CorrelationSet set = Compute(models, options);
  EXPECT_EQ(tokens_read_, 4 * kPositions);
  ASSERT_EQ(set.results.size(), 4u);
  ExpectPairs(set.results[0], models, 0, {2, 3}, options);
  ExpectPairs(set.results[1], models, 1, {2, 3}, options);
  ExpectPairs(set.results[2], models, 2, {0, 1}, options);
  ExpectPairs(set.results[3], models, 3, {0, 1}, options);
}

TEST_P(KnownPairsTest, ModelsOfKnownPairsAloneDoNotRun) {
  // The first, one in the middle and the last.
  for (int64_t idle = 0; idle < 3; ++idle) {
    std::vector<const FakeModel*> models = {&b_, &c_};
    models.insert(models.begin() + idle, &idle_);
    std::set<ModelPair> known;
    for (int64_t other = 0; other < 3; ++other) {
      if (other != idle) known.insert(std::minmax(idle, other));
    }
    const CorrelationOptions options = Options(known);
    const CorrelationSet set = Compute(models, options);
    EXPECT_EQ(tokens_read_, 2 * kPositions);
    ASSERT_EQ(set.results.size(), 3u);
    const CorrelationResult& nothing = set.results[static_cast<size_t>(idle)];
    EXPECT_EQ(nothing.counted_positions, 0);
    EXPECT_EQ(nothing.excluded_positions, 0);
    EXPECT_TRUE(nothing.dead.empty() && nothing.statistics.mean.empty());
    ASSERT_EQ(nothing.partners.size(), 2u);
    for (const PairCorrelations& pair : nothing.partners) ExpectNoNumbers(pair);
    const size_t b = idle == 0 ? 1 : 0, c = idle == 2 ? 1 : 2;
    ExpectPairs(set.results[b], models, b, {c}, options);
    ExpectPairs(set.results[c], models, c, {b}, options);
  }
}

TEST_P(KnownPairsTest, AKnownPartnerOfTheOnlyReferenceDoesNotRun) {
  const std::vector<const FakeModel*> models = {&a_, &idle_, &c_};
  const CorrelationOptions options = Options({{0, 1}}, /*every_reference=*/false);
  const CorrelationSet set = Compute(models, options);
  EXPECT_EQ(tokens_read_, 2 * kPositions);
  ASSERT_EQ(set.results.size(), 1u);
  ExpectPairs(set.results[0], models, 0, {2}, options);
}

TEST_P(KnownPairsTest, ManyPassesRunWhoeverTheyNeed) {
  const std::vector<const FakeModel*> models = {&a_, &idle_, &c_, &d_};
  CorrelationOptions options = Options({{0, 1}, {1, 2}, {1, 3}, {0, 3}});
  const CorrelationSet whole = Compute(models, options);
  ASSERT_EQ(whole.plan.passes.size(), 1u);
  options.memory_bytes = whole.plan.memory_bytes * 9 / 10;
  const CorrelationSet parts = Compute(models, options);
  EXPECT_GT(parts.plan.passes.size(), 1u);
  EXPECT_GT(tokens_read_, 3 * kPositions);
  ExpectPairs(parts.results[0], models, 0, {2}, options);
  ExpectPairs(parts.results[2], models, 2, {0, 3}, options);
  ExpectPairs(parts.results[3], models, 3, {2}, options);
}

TEST_P(KnownPairsTest, NothingRunsWhereEveryPairIsKnown) {
  const std::vector<const FakeModel*> models = {&idle_, &idle_};
  const CorrelationSet set = Compute(models, Options({{0, 1}}));
  EXPECT_TRUE(set.plan.passes.empty());
  EXPECT_EQ(tokens_read_, 0);
  ASSERT_EQ(set.results.size(), 2u);
  for (const CorrelationResult& result : set.results) {
    EXPECT_TRUE(result.dead.empty());
    ASSERT_EQ(result.partners.size(), 1u);
    ExpectNoNumbers(result.partners[0]);
  }
}

INSTANTIATE_TEST_SUITE_P(Pairings, KnownPairsTest,
                         ::testing::Values(Pairing::kBest, Pairing::kSameIndex));

}  // namespace
}  // namespace homolog::analysis
