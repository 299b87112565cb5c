#include "tests/bench/sides.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "server/analysis/correlation_plan.h"
#include "tests/bench/machine_rate.h"
#include "tests/bench/published_method.h"
#include "tests/bench/timing.h"

namespace homolog::bench {
namespace {

// Remembers the plan, and holds what follows a block's forward passes (statistics and products)
// against the machine's own products just before and after, which take as long: the rate of a
// machine that others share changes from second to second.
class MachineControl : public analysis::RunControl {
 public:
  explicit MachineControl(int64_t matrix) : matrix_(matrix) {
    if (matrix_ > 0) before_ = SustainedMatrixRate(matrix_, /*seconds=*/1);
  }

  void OnPlan(const analysis::CorrelationPlan& plan) override {
    passes_ = static_cast<int64_t>(plan.passes.size());
    models_ = static_cast<int64_t>(plan.passes[0].models.size());
  }
  void OnTokens(int64_t tokens) override {
    read_ = Now();
    ++models_read_;
    tokens_ += tokens;
  }
  absl::Status Check() override {
    EndBlock();
    return absl::OkStatus();
  }
  void OnStage(std::string_view) override { EndBlock(); }

  int64_t passes() const { return passes_; }
  // Of all products of the machine's.
  double seconds() const { return seconds_; }
  nlohmann::json rate() const {
    return seconds_ > 0 ? nlohmann::json(operations_ / seconds_) : nlohmann::json();
  }
  // Of every block, for `operations` in all. None where there are passes, which differ in what they
  // do.
  std::vector<double> Shares(double operations) const {
    std::vector<double> shares;
    double tokens = 0;
    for (const Block& block : blocks_) tokens += block.tokens;
    for (const Block& block : blocks_) {
      shares.push_back(operations * block.tokens / tokens / block.seconds / block.machine_rate);
    }
    return shares;
  }

 private:
  struct Block {
    double tokens, seconds, machine_rate;
  };

  void EndBlock() {
    if (matrix_ == 0 || passes_ != 1 || models_read_ < models_) return;
    const double seconds = Now() - read_;
    const double start = Now(), after = SustainedMatrixRate(matrix_, seconds);
    seconds_ += Now() - start;
    operations_ += after * (Now() - start);
    blocks_.push_back({static_cast<double>(tokens_), seconds, (before_ + after) / 2});
    before_ = after;
    models_read_ = tokens_ = 0;
  }

  const int64_t matrix_;
  double before_ = 0, read_ = 0, seconds_ = 0, operations_ = 0;
  int64_t passes_ = 0, models_ = 0, models_read_ = 0, tokens_ = 0;
  std::vector<Block> blocks_;
};

nlohmann::json NoResults() {
  return {{"max_corr", nlohmann::json::array()}, {"baseline", nlohmann::json::array()}};
}

}  // namespace

absl::StatusOr<nlohmann::json> OurSide(const Workload& workload, const OurOptions& options) {
  HOMOLOG_ASSIGN_OR_RETURN(const BuiltWorkload built, Build(workload));
  std::vector<const engine::Model*> models;
  for (const auto& model : built.models) models.push_back(model.get());
  MachineControl control(options.machine_matrix);
  const double start = Now();
  HOMOLOG_ASSIGN_OR_RETURN(const analysis::CorrelationSet set,
                           analysis::ComputeCorrelations(models, built.tokens,
                                                         {.rotations = options.rotations,
                                                          .precision = options.precision,
                                                          .every_reference = true,
                                                          .memory_bytes = options.memory_bytes},
                                                         control));
  nlohmann::json side = NoResults();
  side["seconds"] = Now() - start - control.seconds();
  double error = 0;
  for (const analysis::CorrelationResult& result : set.results) {
    for (const analysis::PairCorrelations& pair : result.partners) {
      side["max_corr"].push_back(pair.max_corr);
      side["baseline"].push_back(pair.baseline);
      error = std::max(error, pair.error.max_abs);
    }
  }
  side["forward_seconds"] = set.cost.forward_seconds;
  side["moments_seconds"] = set.cost.moments_seconds;
  side["reduction_seconds"] = set.cost.reduction_seconds;
  side["shares"] = control.Shares(2 * set.cost.moments_multiplications);
  side["machine_rate"] = control.rate();
  side["measured_error"] = error;
  side["passes"] = control.passes();
  return side;
}

absl::StatusOr<nlohmann::json> PublishedSide(const Workload& workload, int64_t batch) {
  HOMOLOG_ASSIGN_OR_RETURN(const BuiltWorkload built, Build(workload));
  nlohmann::json side = NoResults();
  const double start = Now();
  for (size_t reference = 0; reference < built.models.size(); ++reference) {
    for (const engine::Model* partner : built.PartnersOf(reference)) {
      HOMOLOG_ASSIGN_OR_RETURN(
          const PublishedCorrelations pair,
          PublishedMethod(*built.models[reference], *partner, built.tokens, {.batch = batch}));
      side["max_corr"].push_back(pair.max_corr);
      side["baseline"].push_back(pair.baseline);
    }
  }
  side["seconds"] = Now() - start;
  return side;
}

}  // namespace homolog::bench
