#include "server/analysis/correlation.h"

#include <ATen/ATen.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/analysis/clock.h"
#include "server/analysis/correlation_pass.h"
#include "server/analysis/correlation_plan.h"
#include "server/analysis/correlation_reduction.h"
#include "server/analysis/products.h"
#include "server/engine/torch_errors.h"

namespace homolog::analysis {
namespace {

// Of a status that stays in this file.
constexpr char kBlockTooLarge[] = "BLOCK_TOO_LARGE";

absl::Status TooFewPositions(int64_t counted, int64_t positions) {
  return FailedPrecondition(
      "TOO_FEW_POSITIONS",
      absl::StrCat(
          counted, " of ", positions,
          " positions are counted; a correlation needs at least 2: use a longer data set or "
          "exclude fewer token ids"));
}

std::vector<engine::ModelShape> Shapes(const std::vector<const engine::Model*>& models) {
  std::vector<engine::ModelShape> shapes;
  for (const engine::Model* model : models) shapes.push_back(model->description().shape);
  return shapes;
}

int64_t Positions(const TokenSequences& tokens) {
  return tokens.sequence_count() * tokens.sequence_length();
}

// Says what is to come.
void Announce(const CorrelationPlan& plan, const TokenSequences& tokens, int64_t already_read,
              RunControl& control) {
  int64_t readings = 0;
  for (const PlannedPass& pass : plan.passes) readings += static_cast<int64_t>(pass.models.size());
  control.OnPlan(plan);
  control.OnTotalTokens(already_read + Positions(tokens) * readings);
}

// OUT_OF_MEMORY becomes BLOCK_TOO_LARGE: smaller blocks can help.
absl::Status ReadTokens(CorrelationPass& pass, const TokenSequences& tokens, RunControl& control,
                        CorrelationCost& cost) {
  const absl::Status status = engine::CatchTorch([&] { return pass.Run(tokens, control, cost); });
  if (ErrorReason(status) != "OUT_OF_MEMORY") return status;
  return ResourceExhausted(kBlockTooLarge, std::string(status.message()));
}

absl::StatusOr<CorrelationSet> RunPlan(const std::vector<const engine::Model*>& models,
                                       const TokenSequences& tokens,
                                       const CorrelationOptions& options,
                                       const CorrelationPlan& plan, RunControl& control,
                                       CorrelationCost& cost) {
  CorrelationSet set;
  CorrelationReduction reduction(Shapes(models), options, models[0]->device());
  for (const PlannedPass& planned : plan.passes) {
    control.OnStage("reading activations");
    CorrelationPass pass(models, plan, planned, options, reduction.LacksStatistics());
    HOMOLOG_RETURN_IF_ERROR(ReadTokens(pass, tokens, control, cost));
    if (pass.counted_positions() < 2) {
      return TooFewPositions(pass.counted_positions(), Positions(tokens));
    }
    control.OnStage("correlating");
    const double start = Now();
    HOMOLOG_RETURN_IF_ERROR(reduction.Add(pass, control));
    cost.reduction_seconds += Now() - start;
  }
  const double start = Now();
  set.results = reduction.Finish();
  for (CorrelationResult& result : set.results) {
    const bool ran = result.counted_positions > 0;
    if (ran) result.excluded_positions = Positions(tokens) - result.counted_positions;
  }
  cost.reduction_seconds += Now() - start;
  set.plan = plan;
  set.cost = cost;
  return set;
}

}  // namespace

absl::StatusOr<CorrelationSet> ComputeCorrelations(const std::vector<const engine::Model*>& models,
                                                   const TokenSequences& tokens,
                                                   const CorrelationOptions& options,
                                                   RunControl& control) {
  HOMOLOG_RETURN_IF_ERROR(CheckPrecision(options.precision, models[0]->device()));
  PlanRequest request{.models = Shapes(models),
                      .sequence_length = tokens.sequence_length(),
                      .sequence_count = tokens.sequence_count(),
                      .options = options};
  double rate = 0;
  HOMOLOG_RETURN_IF_ERROR(engine::CatchTorch([&] {
    const at::NoGradGuard no_grad;
    rate = MeasuredMultiplicationsPerSecond(options.precision, models[0]->device());
    return absl::OkStatus();
  }));
  CorrelationCost cost;
  while (true) {
    HOMOLOG_ASSIGN_OR_RETURN(CorrelationPlan plan, PlanCorrelation(request));
    plan.multiplications_per_second = rate;
    Announce(plan, tokens, cost.tokens, control);
    absl::StatusOr<CorrelationSet> set =
        engine::CatchTorch([&]() -> absl::StatusOr<CorrelationSet> {
          const at::NoGradGuard no_grad;
          return RunPlan(models, tokens, options, plan, control, cost);
        });
    if (ErrorReason(set.status()) != kBlockTooLarge) return set;
    if (plan.block_positions <= tokens.sequence_length()) {
      return ResourceExhausted("OUT_OF_MEMORY", std::string(set.status().message()));
    }
    request.most_block_positions = plan.block_positions / 2;
  }
}

}  // namespace homolog::analysis
