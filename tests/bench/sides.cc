#include "tests/bench/sides.h"

#include <string_view>

#include "common/error.h"
#include "server/analysis/correlation.h"
#include "tests/bench/operation_count.h"
#include "tests/bench/published_method.h"
#include "tests/bench/timing.h"

namespace homolog::bench {
namespace {

// Adds up the seconds until the engine begins to correlate what it accumulated.
class StageClock : public analysis::RunControl {
 public:
  void OnStage(std::string_view stage) override {
    const double now = Now();
    if (stage == "correlating") accumulation_ += now - begin_;
    begin_ = now;
  }
  double accumulation_seconds() const { return accumulation_; }

 private:
  double begin_ = 0, accumulation_ = 0;
};

nlohmann::json NoResults() {
  return {{"max_corr", nlohmann::json::array()},
          {"baseline", nlohmann::json::array()},
          {"accumulation_seconds", nullptr},
          {"accumulation_operations", nullptr}};
}

}  // namespace

absl::StatusOr<nlohmann::json> OurSide(const Workload& workload) {
  HOMOLOG_ASSIGN_OR_RETURN(const BuiltWorkload built, Build(workload));
  nlohmann::json side = NoResults();
  StageClock clock;
  const double start = Now();
  for (size_t reference = 0; reference < built.models.size(); ++reference) {
    HOMOLOG_ASSIGN_OR_RETURN(
        const analysis::CorrelationResult result,
        analysis::ComputeCorrelations(*built.models[reference], built.PartnersOf(reference),
                                      built.tokens, {}, clock));
    for (const analysis::PairCorrelations& pair : result.partners) {
      side["max_corr"].push_back(pair.max_corr);
      side["baseline"].push_back(pair.baseline);
    }
  }
  side["seconds"] = Now() - start;
  const std::vector<engine::ModelShape> partners(built.models.size() - 1, workload.shape);
  side["accumulation_seconds"] = clock.accumulation_seconds();
  side["accumulation_operations"] =
      static_cast<double>(built.models.size()) *
      AccumulationOperations(workload.shape, partners, workload.tokens(),
                             workload.shape.context_length);
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
