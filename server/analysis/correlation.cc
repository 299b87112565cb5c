#include "server/analysis/correlation.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
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

// A plan under way: its passes one after the other, and how it is kept in snapshots.
//
// Thread-safety: belongs to one thread.
class PlanRun {
 public:
  PlanRun(const std::vector<const engine::Model*>& models, const TokenSequences& tokens,
          const CorrelationOptions& options, const CorrelationPlan& plan, RunControl& control,
          CorrelationCost& cost, const KeyedSnapshots& keep)
      : models_(models),
        tokens_(tokens),
        options_(options),
        plan_(plan),
        control_(control),
        cost_(cost),
        snapshots_(keep.snapshots),
        key_(absl::StrCat(keep.key, "-", Fingerprint(plan))),
        reduction_(Shapes(models), options, models[0]->device()) {}

  absl::StatusOr<CorrelationSet> Run() {
    std::unique_ptr<CorrelationPass> pass = Restore();
    for (; pass_ < static_cast<int64_t>(plan_.passes.size()); ++pass_) {
      if (pass == nullptr) pass = MakePass();
      HOMOLOG_RETURN_IF_ERROR(RunPass(*pass));
      pass.reset();
    }
    return Finish();
  }

 private:
  // Of all that decides which sums there are, and in which order they are taken.
  static std::string Fingerprint(const CorrelationPlan& plan) {
    std::string text = absl::StrCat(plan.block_positions);
    for (const PlannedPass& pass : plan.passes) {
      absl::StrAppend(&text, "|");
      for (const WithinTile& tile : pass.within) {
        absl::StrAppend(&text, tile.model, ".", tile.layer, ";");
      }
      for (const CrossTile& tile : pass.cross) {
        absl::StrAppend(&text, tile.row_model, ".", tile.row_layer, ".", tile.column_model, ".",
                        tile.column, ".", tile.columns, ";");
      }
    }
    return Sha256Hex(text);
  }

  std::unique_ptr<CorrelationPass> MakePass() {
    return std::make_unique<CorrelationPass>(models_, plan_, plan_.passes[pass_], options_,
                                             reduction_.LacksStatistics());
  }

  void Transfer(StateArchive& archive, CorrelationPass& pass) {
    archive.Part(tokens_done_);
    pass.Transfer(archive);
  }

  void Save(CorrelationPass& pass) {
    snapshots_->Save(key_, [&](StateArchive& archive) {
      archive.Part(pass_);
      reduction_.Transfer(archive);
      Transfer(archive, pass);
    });
    control_.OnLastingProgress();
  }

  // The pass that a snapshot was taken in; nothing where there is no snapshot.
  std::unique_ptr<CorrelationPass> Restore() {
    std::unique_ptr<CorrelationPass> pass;
    if (snapshots_ == nullptr) return pass;
    snapshots_->Load(key_, [&](StateArchive& archive) {
      archive.Part(pass_);
      reduction_.Transfer(archive);
      pass = MakePass();
      Transfer(archive, *pass);
    });
    if (pass != nullptr) control_.OnResumedTokens(tokens_done_);
    return pass;
  }

  // OUT_OF_MEMORY becomes BLOCK_TOO_LARGE: smaller blocks can help.
  absl::Status ReadTokens(CorrelationPass& pass) {
    const int64_t before = cost_.tokens, done_before = tokens_done_;
    const absl::Status status = engine::CatchTorch([&] {
      return pass.Run(tokens_, control_, cost_, [&] {
        tokens_done_ = done_before + cost_.tokens - before;
        if (snapshots_ != nullptr && snapshots_->IsDue()) Save(pass);
      });
    });
    // The sums are those of whole blocks.
    if (snapshots_ != nullptr && ErrorReason(status) == "SHUTTING_DOWN") Save(pass);
    if (ErrorReason(status) != "OUT_OF_MEMORY") return status;
    return ResourceExhausted(kBlockTooLarge, std::string(status.message()));
  }

  absl::Status RunPass(CorrelationPass& pass) {
    control_.OnStage("reading activations");
    HOMOLOG_RETURN_IF_ERROR(ReadTokens(pass));
    if (pass.counted_positions() < 2) {
      return TooFewPositions(pass.counted_positions(), Positions(tokens_));
    }
    control_.OnStage("correlating");
    const double start = Now();
    HOMOLOG_RETURN_IF_ERROR(reduction_.Add(pass, control_));
    cost_.reduction_seconds += Now() - start;
    return absl::OkStatus();
  }

  CorrelationSet Finish() {
    CorrelationSet set;
    const double start = Now();
    set.results = reduction_.Finish();
    for (CorrelationResult& result : set.results) {
      const bool ran = result.counted_positions > 0;
      if (ran) result.excluded_positions = Positions(tokens_) - result.counted_positions;
    }
    cost_.reduction_seconds += Now() - start;
    set.plan = plan_;
    set.cost = cost_;
    return set;
  }

  const std::vector<const engine::Model*>& models_;
  const TokenSequences& tokens_;
  const CorrelationOptions& options_;
  const CorrelationPlan& plan_;
  RunControl& control_;
  CorrelationCost& cost_;
  Snapshots* const snapshots_;
  const std::string key_;
  CorrelationReduction reduction_;
  int64_t pass_ = 0;         // under way
  int64_t tokens_done_ = 0;  // went through a model for the sums, also before a snapshot
};

}  // namespace

absl::StatusOr<CorrelationSet> ComputeCorrelations(const std::vector<const engine::Model*>& models,
                                                   const TokenSequences& tokens,
                                                   const CorrelationOptions& options,
                                                   RunControl& control,
                                                   const KeyedSnapshots& keep) {
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
          return PlanRun(models, tokens, options, plan, control, cost, keep).Run();
        });
    if (ErrorReason(set.status()) != kBlockTooLarge) return set;
    if (plan.block_positions <= tokens.sequence_length()) {
      return ResourceExhausted("OUT_OF_MEMORY", std::string(set.status().message()));
    }
    request.most_block_positions = plan.block_positions / 2;
  }
}

}  // namespace homolog::analysis
