// homolog-bench compare
#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "common/error.h"
#include "tests/bench/benchmark.h"
#include "tests/bench/child_process.h"
#include "tests/bench/machine_rate.h"
#include "tests/bench/published_method.h"
#include "tests/bench/sides.h"
#include "tests/bench/workload.h"

namespace homolog::bench {
namespace {

struct Flags {
  WorkloadFlags workload;
  int64_t peer_batch = kPublishedBatch;
  bool no_peer = false;
};

// One side over all repetitions.
struct Side {
  std::vector<double> seconds;
  int64_t peak_bytes = 0;
  double cpu_seconds = 0;                // of the thriftiest; with building the models
  nlohmann::json last;                   // see sides.h
  std::optional<double> operation_rate;  // of the fastest accumulation, per second

  void Add(ChildResult result) {
    last = std::move(result.value);
    seconds.push_back(last["seconds"]);
    peak_bytes = std::max(peak_bytes, result.peak_bytes);
    cpu_seconds =
        seconds.size() == 1 ? result.cpu_seconds : std::min(cpu_seconds, result.cpu_seconds);
    if (last["accumulation_seconds"].is_null()) return;
    const double rate =
        last["accumulation_operations"].get<double>() / last["accumulation_seconds"].get<double>();
    operation_rate = std::max(operation_rate.value_or(0), rate);
  }
};

struct Comparison {
  Side ours, peer;  // the peer's seconds are empty where it was not run
  double machine_rate = 0;
};

absl::Status MeasureMachine(int64_t matrix, double& rate) {
  HOMOLOG_ASSIGN_OR_RETURN(
      const ChildResult result,
      RunInChild([&]() -> absl::StatusOr<nlohmann::json> { return MatrixRate(matrix, 5); }));
  rate = std::max(rate, result.value.get<double>());
  return absl::OkStatus();
}

// The sides take turns, so that a machine that changes its speed changes it for both.
absl::StatusOr<Comparison> Measure(const Workload& workload, const Flags& flags,
                                   const CommonFlags& common) {
  const bool with_peer = workload.has_peer && !flags.no_peer;
  Comparison comparison;
  HOMOLOG_RETURN_IF_ERROR(MeasureMachine(common.machine_matrix, comparison.machine_rate));
  for (int i = 0; i < common.Repetitions(1); ++i) {
    HOMOLOG_ASSIGN_OR_RETURN(ChildResult ours, RunInChild([&] { return OurSide(workload); }));
    comparison.ours.Add(std::move(ours));
    if (!with_peer) continue;
    HOMOLOG_ASSIGN_OR_RETURN(ChildResult peer,
                             RunInChild([&] { return PublishedSide(workload, flags.peer_batch); }));
    comparison.peer.Add(std::move(peer));
  }
  HOMOLOG_RETURN_IF_ERROR(MeasureMachine(common.machine_matrix, comparison.machine_rate));
  return comparison;
}

// The largest difference between two lists of lists; not a number where a difference is none.
double LargestDifference(const nlohmann::json& a, const nlohmann::json& b) {
  double largest = 0;
  for (size_t pair = 0; pair < a.size(); ++pair) {
    const auto x = a[pair].get<std::vector<double>>(), y = b.at(pair).get<std::vector<double>>();
    for (size_t i = 0; i < x.size(); ++i) {
      const double difference = std::abs(x[i] - y.at(i));
      if (!(difference <= largest)) largest = difference;
    }
  }
  return largest;
}

Rows::value_type Row(const Workload& workload, const Comparison& c) {
  const Timing ours = Summarise(c.ours.seconds);
  Rows::value_type row = {
      {"shape", workload.name},       {"precision", "float32"},       {"tokens", workload.tokens()},
      {"seconds", ours.median},       {"peer_seconds", nullptr},      {"ratio", nullptr},
      {"peak_memory_ratio", nullptr}, {"matrix_rate_share", nullptr}, {"max_error", nullptr}};
  if (c.ours.operation_rate) row["matrix_rate_share"] = *c.ours.operation_rate / c.machine_rate;
  if (c.peer.seconds.empty()) return row;
  const Timing peer = Summarise(c.peer.seconds);
  row["peer_seconds"] = peer.median;
  row["ratio"] = peer.median / ours.median;
  row["peak_memory_ratio"] =
      static_cast<double>(c.ours.peak_bytes) / static_cast<double>(c.peer.peak_bytes);
  row["max_error"] = LargestDifference(c.ours.last["max_corr"], c.peer.last["max_corr"]);
  return row;
}

Rows::value_type Detail(const char* name, const Side& side, double machine_rate) {
  const Timing timing = Summarise(side.seconds);
  return {{"side", name},
          {"seconds_min", timing.min},
          {"seconds_median", timing.median},
          {"accumulation_seconds", side.last["accumulation_seconds"]},
          // Well below seconds times threads: the machine was busy with something else.
          {"cpu_seconds", side.cpu_seconds},
          {"peak_mib", static_cast<double>(side.peak_bytes) / (1 << 20)},
          {"machine_gflops", machine_rate / 1e9},
          {"baseline_error", nullptr}};
}

Rows Details(const Comparison& c) {
  Rows rows = {Detail("homolog", c.ours, c.machine_rate)};
  if (c.peer.seconds.empty()) return rows;
  rows.push_back(Detail("published method", c.peer, c.machine_rate));
  rows[0]["baseline_error"] = LargestDifference(c.ours.last["baseline"], c.peer.last["baseline"]);
  return rows;
}

}  // namespace

Run AddCompare(CLI::App& command) {
  auto flags = std::make_shared<Flags>();
  AddWorkloadFlags(command, flags->workload);
  command
      .add_option("--peer-batch", flags->peer_batch, "Sequences per batch of the published method")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_flag("--no-peer", flags->no_peer, "Measure Homolog alone");
  return [flags](const CommonFlags& common) -> absl::StatusOr<Report> {
    HOMOLOG_ASSIGN_OR_RETURN(const Workload workload, ResolveWorkload(flags->workload));
    HOMOLOG_ASSIGN_OR_RETURN(const Comparison comparison, Measure(workload, *flags, common));
    return Report{{Row(workload, comparison)}, Details(comparison)};
  };
}

}  // namespace homolog::bench
