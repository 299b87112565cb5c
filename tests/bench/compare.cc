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

constexpr int64_t kMebibyte = 1 << 20;

struct Flags {
  WorkloadFlags workload;
  OurOptions ours;
  std::string precision = "both";
  int64_t memory_mib = 0;
  int64_t peer_batch = kPublishedBatch;
  bool no_peer = false, no_share = false;
};

// One side over all repetitions.
struct Side {
  std::vector<double> seconds;
  int64_t peak_bytes = 0;
  double cpu_seconds = 0;  // of the thriftiest; with building the models
  nlohmann::json last;     // see sides.h

  void Add(ChildResult result) {
    last = std::move(result.value);
    seconds.push_back(last["seconds"]);
    peak_bytes = std::max(peak_bytes, result.peak_bytes);
    cpu_seconds =
        seconds.size() == 1 ? result.cpu_seconds : std::min(cpu_seconds, result.cpu_seconds);
  }
};

struct Comparison {
  std::string precision;
  Side ours, peer;  // the peer's seconds are empty where it was not run
  // Of runs of ours with products of the machine's between the blocks.
  std::vector<double> shares, machine_rates;
};

// The peer is float32 in any case: its seconds are measured beside every precision.
absl::StatusOr<Comparison> Measure(const Workload& workload, const std::string& precision,
                                   Flags flags, const CommonFlags& common) {
  const bool with_peer = workload.has_peer && !flags.no_peer;
  flags.ours.precision =
      precision == "bfloat16" ? analysis::Precision::kBfloat16 : analysis::Precision::kFloat32;
  Comparison comparison{
      .precision = precision, .ours = {}, .peer = {}, .shares = {}, .machine_rates = {}};
  // The sides take turns, so that a machine that changes its speed changes it for both.
  for (int i = 0; i < common.Repetitions(1); ++i) {
    HOMOLOG_ASSIGN_OR_RETURN(ChildResult ours,
                             RunInChild([&] { return OurSide(workload, flags.ours); }));
    comparison.ours.Add(std::move(ours));
    if (!with_peer) continue;
    HOMOLOG_ASSIGN_OR_RETURN(ChildResult peer,
                             RunInChild([&] { return PublishedSide(workload, flags.peer_batch); }));
    comparison.peer.Add(std::move(peer));
  }
  if (flags.no_share || comparison.ours.last["passes"] != 1) return comparison;
  OurOptions between = flags.ours;
  between.machine_matrix = common.machine_matrix;
  for (int i = 0; i < common.Repetitions(3); ++i) {
    HOMOLOG_ASSIGN_OR_RETURN(const ChildResult result,
                             RunInChild([&] { return OurSide(workload, between); }));
    for (const double share : result.value["shares"]) comparison.shares.push_back(share);
    comparison.machine_rates.push_back(result.value["machine_rate"]);
  }
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

Rows::value_type EmptyRow(const Workload& workload, const std::string& precision) {
  return {
      {"shape", workload.name},       {"precision", precision},       {"tokens", workload.tokens()},
      {"seconds", nullptr},           {"peer_seconds", nullptr},      {"ratio", nullptr},
      {"peak_memory_ratio", nullptr}, {"matrix_rate_share", nullptr}, {"max_error", nullptr}};
}

Rows::value_type Row(const Workload& workload, const Comparison& c) {
  Rows::value_type row = EmptyRow(workload, c.precision);
  const Timing ours = Summarise(c.ours.seconds);
  row["seconds"] = ours.median;
  if (!c.shares.empty()) row["matrix_rate_share"] = Summarise(c.shares).median;
  row["max_error"] = c.ours.last["measured_error"];
  if (c.peer.seconds.empty()) return row;
  const Timing peer = Summarise(c.peer.seconds);
  row["peer_seconds"] = peer.median;
  row["ratio"] = peer.median / ours.median;
  row["peak_memory_ratio"] =
      static_cast<double>(c.ours.peak_bytes) / static_cast<double>(c.peer.peak_bytes);
  row["max_error"] = LargestDifference(c.ours.last["max_corr"], c.peer.last["max_corr"]);
  return row;
}

Rows::value_type Detail(const std::string& name, const Side& side) {
  const Timing timing = Summarise(side.seconds);
  auto of_ours = [&](const char* key) {
    return side.last.contains(key) ? side.last[key] : nlohmann::json();
  };
  return {{"side", name},
          {"seconds_min", timing.min},
          {"seconds_median", timing.median},
          {"forward_seconds", of_ours("forward_seconds")},
          {"moments_seconds", of_ours("moments_seconds")},
          {"reduction_seconds", of_ours("reduction_seconds")},
          {"passes", of_ours("passes")},
          // Well below seconds times threads: the machine was busy with something else.
          {"cpu_seconds", side.cpu_seconds},
          {"peak_mib", static_cast<double>(side.peak_bytes) / kMebibyte},
          {"machine_gflops", nullptr},
          {"baseline_error", nullptr}};
}

void AddDetails(const Comparison& c, Rows& rows) {
  rows.push_back(Detail("homolog, " + c.precision, c.ours));
  Rows::value_type& ours = rows.back();
  if (!c.machine_rates.empty()) {
    ours["machine_gflops"] = Summarise(c.machine_rates).median / 1e9;
  }
  if (c.peer.seconds.empty()) return;
  ours["baseline_error"] = LargestDifference(c.ours.last["baseline"], c.peer.last["baseline"]);
  rows.push_back(Detail("published method", c.peer));
}

absl::StatusOr<Report> Compare(const Flags& flags, const CommonFlags& common) {
  HOMOLOG_ASSIGN_OR_RETURN(const Workload workload, ResolveWorkload(flags.workload));
  Report report;
  for (const std::string precision : {"float32", "bfloat16"}) {
    if (flags.precision != "both" && flags.precision != precision) continue;
    if (flags.precision == "both" && precision == "bfloat16" && !HasBfloat16()) {
      report.rows.push_back(EmptyRow(workload, precision));
      continue;
    }
    HOMOLOG_ASSIGN_OR_RETURN(const Comparison comparison,
                             Measure(workload, precision, flags, common));
    report.rows.push_back(Row(workload, comparison));
    AddDetails(comparison, report.details);
  }
  return report;
}

}  // namespace

Run AddCompare(CLI::App& command) {
  auto flags = std::make_shared<Flags>();
  AddWorkloadFlags(command, flags->workload);
  command
      .add_option("--peer-batch", flags->peer_batch, "Sequences per batch of the published method")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_flag("--no-share", flags->no_share,
                   "Without the runs that hold the products against the machine's rate");
  command.add_flag("--no-peer", flags->no_peer, "Measure Homolog alone");
  command
      .add_option("--precision", flags->precision,
                  "float32, bfloat16, or both where the processor has instructions for bfloat16")
      ->check(CLI::IsMember({"float32", "bfloat16", "both"}))
      ->capture_default_str();
  command
      .add_option("--rotations", flags->ours.rotations,
                  "Rotations of Homolog's baseline; the published method takes one")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      .add_option("--memory-budget", flags->memory_mib,
                  "MiB for activations and moments, without weights; 0: no limit")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  return [flags](const CommonFlags& common) -> absl::StatusOr<Report> {
    if (flags->memory_mib > 0) flags->ours.memory_bytes = flags->memory_mib * kMebibyte;
    return Compare(*flags, common);
  };
}

}  // namespace homolog::bench
