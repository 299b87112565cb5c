// homolog-bench stages
#include <ATen/ATen.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "common/error.h"
#include "server/analysis/activations.h"
#include "server/analysis/moments.h"
#include "server/analysis/pair_reduction.h"
#include "server/engine/torch_errors.h"
#include "tests/bench/benchmark.h"
#include "tests/bench/machine_rate.h"
#include "tests/bench/operation_count.h"
#include "tests/bench/timing.h"
#include "tests/bench/workload.h"

namespace homolog::bench {
namespace {

// As in server/analysis/correlation.cc.
constexpr int64_t kBlockPositions = 2048;

// One block of tokens through the parts of one reference's and one partner's accumulation.
class StageTimer {
 public:
  StageTimer(const Workload& workload, const BuiltWorkload& built, int repetitions, double machine)
      : workload_(workload),
        built_(built),
        repetitions_(repetitions),
        machine_(machine),
        sequences_(std::min(analysis::SequencesPerBatch(built.tokens, kBlockPositions),
                            built.tokens.sequence_count())) {}

  absl::StatusOr<Report> Measure() {
    HOMOLOG_ASSIGN_OR_RETURN(const at::Tensor tokens, built_.tokens.Read(0, sequences_));
    const int64_t spare = analysis::ModelMoments::SpareRows(positions());
    const engine::ModelShape& shape = workload_.shape;
    analysis::ActivationReader reader(*built_.models[0], engine::Site::kMlpPost);
    at::Tensor block;
    Add("forward", Repeat(repetitions_, [&] { block = reader.Read(tokens, {}, spare); }),
        ForwardOperations(shape, positions(), shape.context_length));
    activations_ = block.narrow(0, 0, positions()).clone();

    analysis::ModelMoments alone(shape, at::kCPU, false), within(shape, at::kCPU, true);
    const Timing centring = TimeMoments(alone, block);
    const Timing both = TimeMoments(within, block);
    HOMOLOG_RETURN_IF_ERROR(status_);
    Add("centring and statistics", centring, 0);
    Add("the same with products within layers", both,
        static_cast<double>(shape.layers) *
            ProductOperations(shape.d_mlp, positions(), shape.d_mlp));

    analysis::CrossMoments cross(shape, shape, at::kCPU, false);
    Add("products of a pair", Repeat(repetitions_, [&] { cross.AddBlock(block, block); }),
        ProductOperations(shape.neurons(), positions(), shape.neurons()));
    AddReduction(within, cross);
    HOMOLOG_RETURN_IF_ERROR(status_);
    return Report{rows_, {}};
  }

 private:
  int64_t positions() const { return sequences_ * workload_.shape.context_length; }

  // AddBlock changes the block in place, so it gets the activations back every time.
  Timing TimeMoments(analysis::ModelMoments& moments, at::Tensor& block) {
    std::vector<double> seconds;
    for (int i = 0; i <= repetitions_; ++i) {
      block.narrow(0, 0, positions()).copy_(activations_);
      const double start = Now();
      status_.Update(moments.AddBlock(positions(), block));
      // The first block sets shift and scale, and is not like the others.
      if (i > 0) seconds.push_back(Now() - start);
    }
    return Summarise(std::move(seconds));
  }

  void AddReduction(const analysis::ModelMoments& moments, const analysis::CrossMoments& cross) {
    const engine::ModelShape& shape = workload_.shape;
    analysis::RunControl control;
    const Timing timing = Repeat(repetitions_, [&] {
      status_.Update(analysis::ReducePair(moments, moments, cross, {}, control).status());
    });
    // The rotation of every covariance, and of every layer's variances.
    Add("reduction (once per pair)", timing,
        ProductOperations(shape.neurons(), shape.d_mlp, shape.neurons()) +
            static_cast<double>(shape.layers) *
                ProductOperations(shape.d_mlp, shape.d_mlp, shape.d_mlp));
  }

  void Add(const char* stage, const Timing& timing, double operations) {
    Rows::value_type row = {{"stage", stage},
                            {"positions", positions()},
                            {"milliseconds_min", timing.min * 1e3},
                            {"milliseconds_median", timing.median * 1e3},
                            {"gflop", operations / 1e9},
                            {"gflops", nullptr},
                            {"matrix_rate_share", nullptr}};
    if (operations > 0) {
      row["gflops"] = operations / timing.min / 1e9;
      row["matrix_rate_share"] = operations / timing.min / machine_;
    }
    rows_.push_back(row);
  }

  const Workload& workload_;
  const BuiltWorkload& built_;
  const int repetitions_;
  const double machine_;
  const int64_t sequences_;
  at::Tensor activations_;
  absl::Status status_;
  Rows rows_;
};

}  // namespace

Run AddStages(CLI::App& command) {
  auto flags = std::make_shared<WorkloadFlags>();
  AddWorkloadFlags(command, *flags);
  return [flags](const CommonFlags& common) {
    return engine::CatchTorch([&]() -> absl::StatusOr<Report> {
      HOMOLOG_ASSIGN_OR_RETURN(const Workload workload, ResolveWorkload(*flags));
      HOMOLOG_ASSIGN_OR_RETURN(const BuiltWorkload built, Build(workload));
      const double machine = MatrixRate(common.machine_matrix, 5);
      return StageTimer(workload, built, common.Repetitions(5), machine).Measure();
    });
  };
}

}  // namespace homolog::bench
