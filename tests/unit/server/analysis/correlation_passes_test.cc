// Many models, many passes, other precisions: the same numbers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "common/error.h"
#include "equal_results.h"
#include "fake_model.h"
#include "oracle.h"
#include "server/analysis/correlation_plan.h"

namespace homolog::analysis {
namespace {

// Remembers the plans.
class PlanControl : public RecordingControl {
 public:
  void OnPlan(const CorrelationPlan& plan) override { plans.push_back(plan); }
  std::vector<CorrelationPlan> plans;
};

CorrelationSet Compute(const std::vector<const engine::Model*>& models, const FakeTokens& tokens,
                       const CorrelationOptions& options, PlanControl& control) {
  auto set = ComputeCorrelations(models, tokens, options, control);
  EXPECT_TRUE(set.ok()) << set.status();
  return set.ok() ? *std::move(set) : CorrelationSet();
}

class CorrelationPassesTest : public ::testing::TestWithParam<Pairing> {
 protected:
  CorrelationPassesTest()
      : wide_(Shape(3, 24, 300)),
        a_(RandomModel(wide_, 1)),
        b_(RandomModel(wide_, 2)),
        c_(RandomModel(GetParam() == Pairing::kBest ? Shape(2, 30, 300) : wide_, 3)) {}

  std::vector<const engine::Model*> Models() const { return {&a_, &b_, &c_}; }
  CorrelationOptions Options(int64_t rotations = 3) const {
    return {.pairing = GetParam(),
            .rotations = rotations,
            .excluded_token_ids = {7},
            .every_reference = true};
  }

  const engine::ModelShape wide_;
  const FakeModel a_, b_, c_;
  const FakeTokens tokens_ = RandomTokens(8200, 20, 300);
};

TEST_P(CorrelationPassesTest, ManyPassesGiveTheIdenticalResult) {
  PlanControl one, many;
  const CorrelationSet whole = Compute(Models(), tokens_, Options(), one);
  ASSERT_EQ(one.plans[0].passes.size(), 1);
  CorrelationOptions options = Options();
  // What a single product needs with whole blocks, and a little more.
  options.memory_bytes = one.plans[0].memory_bytes;
  while (one.plans[0].passes.size() < 5) {
    options.memory_bytes = options.memory_bytes * 99 / 100;
    PlanRequest request = {
        .models = {}, .sequence_length = 20, .sequence_count = 410, .options = options};
    for (const engine::Model* model : Models()) {
      request.models.push_back(model->description().shape);
    }
    const auto plan = PlanCorrelation(request);
    ASSERT_TRUE(plan.ok() && plan->block_positions == 4080) << "no budget gives five passes";
    if (plan->passes.size() >= 5) break;
  }
  const CorrelationSet parts = Compute(Models(), tokens_, options, many);
  EXPECT_GE(many.plans[0].passes.size(), 5);
  EXPECT_EQ(many.tokens, many.total_tokens[0]);
  ASSERT_EQ(parts.results.size(), 3);
  for (size_t i = 0; i < 3; ++i) ExpectEqualResults(parts.results[i], whole.results[i]);
}

// Of wide models, layers that are in one pass are multiplied as one.
TEST(CorrelationPasses, GiveTheIdenticalResultHoweverTheLayersOfWideModelsAreParted) {
  const engine::ModelShape shape = Shape(3, 256, 300);
  const FakeModel a = RandomModel(shape, 1), b = RandomModel(shape, 2);
  const FakeTokens tokens = RandomTokens(4100, 20, 300);  // the last block is a small one
  CorrelationOptions options = {.every_reference = true};
  options.tile_columns = 512;  // two tiles of columns, so that those of a row are no neighbours
  PlanControl one, many;
  const CorrelationSet whole = Compute({&a, &b}, tokens, options, one);
  ASSERT_EQ(one.plans[0].passes.size(), 1);
  std::set<size_t> parted;
  for (const int64_t tiles_less : {2, 3, 4}) {
    options.memory_bytes = one.plans[0].memory_bytes - tiles_less * 256 * 512 * 4;
    const CorrelationSet parts = Compute({&a, &b}, tokens, options, many);
    ASSERT_EQ(many.plans.back().block_positions, one.plans[0].block_positions);
    ASSERT_GT(many.plans.back().passes.size(), 1);
    for (const PlannedPass& pass : many.plans.back().passes) parted.insert(pass.cross.size());
    for (size_t i = 0; i < 2; ++i) ExpectEqualResults(parts.results[i], whole.results[i]);
  }
  // One layer of the first columns and two of the others, or the other way round; not three of
  // each.
  EXPECT_GT(parted.count(3), 0) << ::testing::PrintToString(parted);
}

TEST_P(CorrelationPassesTest, EveryReferenceInTurnIsEachOnItsOwn) {
  PlanControl control;
  const CorrelationSet set = Compute(Models(), tokens_, Options(), control);
  ASSERT_EQ(set.results.size(), 3);
  EXPECT_EQ(control.tokens, 3 * 8200);
  CorrelationOptions alone = Options();
  alone.every_reference = false;
  const std::vector<std::vector<const engine::Model*>> orders = {
      {&a_, &b_, &c_}, {&b_, &a_, &c_}, {&c_, &a_, &b_}};
  for (size_t reference = 0; reference < 3; ++reference) {
    SCOPED_TRACE(reference);
    const CorrelationSet single = Compute(orders[reference], tokens_, alone, control);
    ASSERT_EQ(single.results.size(), 1);
    const CorrelationResult &x = set.results[reference], &y = single.results[0];
    EXPECT_EQ(x.statistics.top_position, y.statistics.top_position);
    for (size_t i = 0; i < 2; ++i) {
      // The product is taken the other way round: rounding differs.
      const PairCorrelations &p = x.partners[i], &q = y.partners[i];
      for (size_t k = 0; k < p.max_corr.size(); ++k) {
        EXPECT_NEAR(p.max_corr[k], q.max_corr[k], 1e-6);
        EXPECT_NEAR(p.min_corr[k], q.min_corr[k], 1e-6);
        EXPECT_NEAR(p.baseline[k], q.baseline[k], 1e-6);
      }
    }
  }
}

TEST_P(CorrelationPassesTest, EveryReferenceMatchesTheOracle) {
  PlanControl control;
  const CorrelationSet set = Compute(Models(), tokens_, Options(), control);
  ExpectMatchesTheOracle(set.results[1], b_, {&a_, &c_}, tokens_, Options());
  ExpectMatchesTheOracle(set.results[2], c_, {&a_, &b_}, tokens_, Options());
}

TEST_P(CorrelationPassesTest, NarrowTilesMatchTheOracle) {
  // One layer of a partner at a time, and two.
  for (const int64_t columns : {24, 60}) {
    CorrelationOptions options = Options();
    options.tile_columns = columns;
    PlanControl control;
    const CorrelationSet set = Compute(Models(), tokens_, options, control);
    const std::vector<CrossTile>& tiles = control.plans[0].passes[0].cross;
    EXPECT_TRUE(std::any_of(tiles.begin(), tiles.end(),
                            [](const CrossTile& tile) { return tile.column > 0; }));
    ExpectMatchesTheOracle(set.results[0], a_, {&b_, &c_}, tokens_, options);
    ExpectMatchesTheOracle(set.results[1], b_, {&a_, &c_}, tokens_, options);
    ExpectMatchesTheOracle(set.results[2], c_, {&a_, &b_}, tokens_, options);
  }
}

TEST_P(CorrelationPassesTest, PortableOperationsNameWhatIsNoFiniteNumber) {
  for (const float value : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    const FakeModel bad(wide_, [&](int64_t token, int64_t neuron) {
      return token == 5 && neuron == 30 ? value
                                        : a_.Activation(engine::Site::kMlpPost, token, 0, neuron);
    });
    CorrelationOptions options = Options();
    options.portable = true;
    PlanControl control;
    const auto set = ComputeCorrelations({&bad, &b_}, tokens_, options, control);
    EXPECT_EQ(ErrorReason(set.status()), "NON_FINITE_ACTIVATION") << set.status();
  }
}

TEST_P(CorrelationPassesTest, PortableOperationsMatchTheOracle) {
  CorrelationOptions options = Options();
  options.portable = true;
  PlanControl control;
  const CorrelationSet set = Compute(Models(), tokens_, options, control);
  ExpectMatchesTheOracle(set.results[0], a_, {&b_, &c_}, tokens_, options);
  ExpectMatchesTheOracle(set.results[2], c_, {&a_, &b_}, tokens_, options);
}

TEST_P(CorrelationPassesTest, MeasuresItsErrorAgainstFloat64) {
  PlanControl control;
  const CorrelationSet exact = Compute(Models(), tokens_, Options(), control);
  CorrelationOptions options = Options();
  options.precision = Precision::kBfloat16;
  const CorrelationSet rounded = Compute(Models(), tokens_, options, control);
  for (size_t i = 0; i < 2; ++i) {
    const MeasuredError &fine = exact.results[0].partners[i].error,
                        &coarse = rounded.results[0].partners[i].error;
    EXPECT_GE(fine.pairs, 128);
    EXPECT_GT(fine.max_abs, 0);
    EXPECT_LT(fine.max_abs, 1e-5);
    EXPECT_LE(fine.mean_abs, fine.max_abs);
    EXPECT_GT(coarse.max_abs, 1e-5);
    EXPECT_LT(coarse.max_abs, 2e-3);
  }
}

TEST_P(CorrelationPassesTest, Bfloat16IsWithinItsBound) {
  CorrelationOptions options = Options();
  options.precision = Precision::kBfloat16;
  PlanControl control;
  const CorrelationSet set = Compute(Models(), tokens_, options, control);
  ExpectMatchesTheOracle(set.results[1], b_, {&a_, &c_}, tokens_, options, 2e-3);
}

INSTANTIATE_TEST_SUITE_P(Pairings, CorrelationPassesTest,
                         ::testing::Values(Pairing::kBest, Pairing::kSameIndex));

// A model for more than `limit` tokens of which there is no memory.
class HungryModel : public FakeModel {
 public:
  HungryModel(FakeModel model, int64_t limit) : FakeModel(std::move(model)), limit_(limit) {}
  at::Tensor Hidden(const at::Tensor& tokens,
                    const engine::ForwardOptions& options) const override {
    if (tokens.numel() > limit_) throw std::bad_alloc();
    return FakeModel::Hidden(tokens, options);
  }

 private:
  const int64_t limit_;
};

TEST(CorrelationMemoryTest, AnswersMemoryThatRanOutWithSmallerBlocks) {
  const FakeModel model = RandomModel(Shape(2, 12, 300), 1);
  const HungryModel hungry(RandomModel(Shape(2, 12, 300), 2), 1500);
  const FakeTokens tokens = RandomTokens(8200, 20, 300);
  PlanControl control;
  const CorrelationSet set = Compute({&model, &hungry}, tokens, {}, control);
  ASSERT_EQ(control.plans.size(), 3);
  EXPECT_EQ(control.plans[2].block_positions, 1020);
  ExpectMatchesTheOracle(set.results[0], model, {&hungry}, tokens, {});
}

TEST(CorrelationMemoryTest, GivesUpWhereNotEvenASequenceFits) {
  const FakeModel model = RandomModel(Shape(2, 12, 300), 1);
  const HungryModel hungry(RandomModel(Shape(2, 12, 300), 2), 10);
  PlanControl control;
  const auto set = ComputeCorrelations({&model, &hungry}, RandomTokens(8200, 20, 300), {}, control);
  EXPECT_EQ(ErrorReason(set.status()), "OUT_OF_MEMORY");
}

TEST(CorrelationMemoryTest, RefusesABudgetThatNothingFits) {
  const FakeModel model = RandomModel(Shape(2, 12, 300), 1);
  PlanControl control;
  const auto set = ComputeCorrelations({&model, &model}, RandomTokens(8200, 20, 300),
                                       {.memory_bytes = 1000}, control);
  EXPECT_EQ(ErrorReason(set.status()), "MEMORY_BUDGET");
  EXPECT_EQ(control.tokens, 0);
}

TEST(CorrelationPrecisionTest, RefusesTf32OnTheCpu) {
  const FakeModel model = RandomModel(Shape(2, 12, 300), 1);
  PlanControl control;
  const auto set = ComputeCorrelations({&model, &model}, RandomTokens(80, 20, 300),
                                       {.precision = Precision::kTf32}, control);
  EXPECT_EQ(ErrorReason(set.status()), "PRECISION_UNAVAILABLE");
}

}  // namespace
}  // namespace homolog::analysis
