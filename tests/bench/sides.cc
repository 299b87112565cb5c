#include "tests/bench/sides.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "common/error.h"
#include "server/analysis/correlation_plan.h"
#include "tests/bench/operation_count.h"
#include "tests/bench/published_method.h"
#include "tests/bench/timing.h"

namespace homolog::bench {
namespace {

// Remembers the plan, and times a product whenever a model has read a block.
class MachineControl : public analysis::RunControl {
 public:
  explicit MachineControl(int64_t matrix) {
    if (matrix == 0) return;
    a_ = at::randn({matrix, matrix});
    b_ = at::randn({matrix, matrix});
    sum_ = at::zeros({matrix, matrix});
    sum_.addmm_(a_, b_);
  }

  void OnPlan(const analysis::CorrelationPlan& plan) override {
    passes_ = static_cast<int64_t>(plan.passes.size());
  }
  void OnTokens(int64_t) override {
    if (!a_.defined()) return;
    const double start = Now();
    sum_.addmm_(a_, b_);
    seconds_ += Now() - start;
    operations_ += ProductOperations(a_.size(0), a_.size(0), a_.size(0));
  }

  int64_t passes() const { return passes_; }
  double seconds() const { return seconds_; }
  nlohmann::json rate() const {
    return seconds_ > 0 ? nlohmann::json(operations_ / seconds_) : nlohmann::json();
  }

 private:
  at::Tensor a_, b_, sum_;
  int64_t passes_ = 0;
  double seconds_ = 0, operations_ = 0;
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
  side["forward_seconds"] = set.cost.forward_seconds - control.seconds();
  side["moments_seconds"] = set.cost.moments_seconds;
  side["reduction_seconds"] = set.cost.reduction_seconds;
  side["moments_rate"] = 2 * set.cost.moments_multiplications / set.cost.moments_seconds;
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
