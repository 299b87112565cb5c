#include "server/analysis/correlation_plan.h"

#include <gtest/gtest.h>

#include <set>
#include <tuple>

#include "common/error.h"

namespace homolog::analysis {
namespace {

constexpr engine::ModelShape kGpt2Small = {.layers = 12,
                                           .d_model = 768,
                                           .d_mlp = 3072,
                                           .heads = 12,
                                           .vocabulary_size = 50257,
                                           .context_length = 1024};
constexpr engine::ModelShape kNarrow = {.layers = 5,
                                        .d_model = 64,
                                        .d_mlp = 200,
                                        .heads = 4,
                                        .vocabulary_size = 50257,
                                        .context_length = 1024};

PlanRequest Request(int64_t models, int64_t memory_bytes, bool every_reference = true) {
  return {.models = std::vector<engine::ModelShape>(models, kGpt2Small),
          .sequence_length = 512,
          .sequence_count = 100,
          .options = {.every_reference = every_reference, .memory_bytes = memory_bytes}};
}

using Covered = std::tuple<int64_t, int64_t, int64_t, int64_t>;  // models, layers

// Every pair of layers of different models that are not known, and every layer of these with
// itself, is planned exactly once.
void ExpectComplete(const PlanRequest& request, const CorrelationPlan& plan) {
  std::set<Covered> covered;
  for (const PlannedPass& pass : plan.passes) {
    const std::set<int64_t> models(pass.models.begin(), pass.models.end());
    for (const WithinTile& tile : pass.within) {
      EXPECT_TRUE(models.count(tile.model));
      EXPECT_TRUE(covered.insert({tile.model, tile.model, tile.layer, tile.layer}).second);
    }
    for (const CrossTile& tile : pass.cross) {
      EXPECT_TRUE(models.count(tile.row_model) && models.count(tile.column_model));
      const int64_t d_mlp = request.models[tile.column_model].d_mlp;
      EXPECT_EQ(tile.column % d_mlp, 0);
      EXPECT_EQ(tile.columns % d_mlp, 0);
      for (int64_t column = tile.column; column < tile.column + tile.columns; column += d_mlp) {
        EXPECT_TRUE(
            covered.insert({tile.row_model, tile.column_model, tile.row_layer, column / d_mlp})
                .second);
      }
    }
  }
  size_t expected = 0;
  std::set<size_t> running;
  for (size_t a = 0; a < request.models.size(); ++a) {
    if (a > 0 && !request.options.every_reference) continue;
    for (size_t b = a + 1; b < request.models.size(); ++b) {
      if (request.options.known_pairs.count(ModelPair(a, b)) > 0) continue;
      expected += request.models[a].layers * request.models[b].layers;
      running.insert({a, b});
    }
  }
  for (const size_t model : running) expected += request.models[model].layers;
  EXPECT_EQ(covered.size(), expected);
}

CorrelationPlan Planned(const PlanRequest& request) {
  const auto plan = PlanCorrelation(request);
  EXPECT_TRUE(plan.ok()) << plan.status();
  ExpectComplete(request, *plan);
  EXPECT_LE(plan->memory_bytes, request.options.memory_bytes);
  return *plan;
}

TEST(CorrelationPlanTest, TakesOnePassWhereEverythingFits) {
  for (const bool every_reference : {false, true}) {
    const CorrelationPlan plan = Planned(Request(3, int64_t{100} << 30, every_reference));
    EXPECT_EQ(plan.passes.size(), 1);
    EXPECT_EQ(plan.block_positions, 4096);
  }
}

TEST(CorrelationPlanTest, TakesMorePassesWhereTheMomentsExceedTheBudgetManyTimesOver) {
  const CorrelationPlan roomy = Planned(Request(2, int64_t{20} << 30)),
                        tight = Planned(Request(2, int64_t{3} << 30));
  EXPECT_EQ(roomy.passes.size(), 1);
  EXPECT_GT(tight.passes.size(), 3);
  // As long as it fits, so that the same numbers are added up in the same order.
  EXPECT_EQ(tight.block_positions, roomy.block_positions);
  EXPECT_EQ(tight.multiplications, roomy.multiplications);
  EXPECT_GT(tight.forward_multiplications, roomy.forward_multiplications);
  CorrelationPlan slow = roomy, slower = tight;
  slow.multiplications_per_second = slower.multiplications_per_second = 1e11;
  EXPECT_GT(EstimatedSeconds(slower), EstimatedSeconds(slow));
}

TEST(CorrelationPlanTest, ShrinksTheBlockWhereAWholeOneDoesNotFit) {
  const CorrelationPlan plan = Planned(Request(2, int64_t{1} << 30));
  EXPECT_LT(plan.block_positions, 4096);
  EXPECT_EQ(plan.block_positions % 512, 0);
}

TEST(CorrelationPlanTest, RefusesWhatCannotFitWithTheNumbers) {
  const auto plan = PlanCorrelation(Request(2, int64_t{100} << 20));
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(plan.status()), "MEMORY_BUDGET");
  EXPECT_NE(plan.status().message().find("104857600"), absl::string_view::npos);
  // What it names as needed is enough.
  int64_t needed = int64_t{100} << 20;
  while (!PlanCorrelation(Request(2, needed)).ok()) needed += int64_t{10} << 20;
  EXPECT_NE(plan.status().message().find("needs "), absl::string_view::npos);
  const std::string message(plan.status().message());
  const int64_t named = std::stoll(message.substr(message.find("needs ") + 6));
  EXPECT_TRUE(PlanCorrelation(Request(2, named)).ok());
  EXPECT_FALSE(PlanCorrelation(Request(2, named - 1)).ok());
}

TEST(CorrelationPlanTest, CoversModelsOfDifferentShapes) {
  PlanRequest request = Request(3, int64_t{100} << 30);
  request.models[1] = kNarrow;
  for (const int64_t memory : {int64_t{100} << 30, int64_t{3} << 30}) {
    request.options.memory_bytes = memory;
    Planned(request);
  }
}

TEST(CorrelationPlanTest, HasWithinProductsNoLaterThanTheFirstThatNeedThem) {
  const CorrelationPlan plan = Planned(Request(3, int64_t{3} << 30));
  size_t layers = 0;
  for (const PlannedPass& pass : plan.passes) {
    layers += pass.within.size();
    if (!pass.cross.empty()) {
      EXPECT_EQ(layers, 36);
    }
  }
}

TEST(CorrelationPlanTest, LeavesOutKnownPairsAndWhoIsInNoOther) {
  const CorrelationPlan all = Planned(Request(3, int64_t{100} << 30));
  PlanRequest request = Request(3, int64_t{100} << 30);
  request.options.known_pairs = {{0, 1}};
  const CorrelationPlan two_pairs = Planned(request);
  EXPECT_EQ(two_pairs.passes[0].models, (std::vector<int64_t>{0, 1, 2}));
  EXPECT_LT(two_pairs.multiplications, all.multiplications);
  EXPECT_LT(two_pairs.memory_bytes, all.memory_bytes);
  EXPECT_EQ(two_pairs.forward_multiplications, all.forward_multiplications);
  request.options.known_pairs = {{0, 1}, {1, 2}};
  const CorrelationPlan one_pair = Planned(request);
  EXPECT_EQ(one_pair.passes[0].models, (std::vector<int64_t>{0, 2}));
  EXPECT_LT(one_pair.memory_bytes, two_pairs.memory_bytes);
  // What two models take on their own.
  const CorrelationPlan alone = Planned(Request(2, int64_t{100} << 30));
  EXPECT_EQ(one_pair.multiplications, alone.multiplications);
  EXPECT_EQ(one_pair.forward_multiplications, alone.forward_multiplications);
  EXPECT_EQ(one_pair.memory_bytes, alone.memory_bytes);
  request.options.known_pairs = {{0, 1}, {0, 2}, {1, 2}};
  const CorrelationPlan nothing = Planned(request);
  EXPECT_TRUE(nothing.passes.empty());
  EXPECT_EQ(nothing.multiplications + nothing.forward_multiplications, 0);
}

TEST(CorrelationPlanTest, SameIndexPairingTakesEqualLayersOnly) {
  PlanRequest request = Request(2, int64_t{100} << 30);
  request.options.pairing = Pairing::kSameIndex;
  const auto plan = PlanCorrelation(request);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->passes[0].cross.size(), 12);
  for (const CrossTile& tile : plan->passes[0].cross) {
    EXPECT_EQ(tile.column, tile.row_layer * 3072);
    EXPECT_EQ(tile.columns, 3072);
  }
}

TEST(CorrelationPlanTest, ABlockIsNoLongerThanTheTokensAndNoShorterThanASequence) {
  PlanRequest request = Request(2, int64_t{100} << 30);
  request.sequence_count = 3;
  EXPECT_EQ(Planned(request).block_positions, 3 * 512);
  request.sequence_length = 10000;
  EXPECT_EQ(Planned(request).block_positions, 10000);
}

}  // namespace
}  // namespace homolog::analysis
