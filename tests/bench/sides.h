// The two sides of a comparison: the same question to Homolog's engine and to the published method.
//
// Thread-safety: pure functions on the calling thread. They throw what libtorch throws.
#ifndef HOMOLOG_TESTS_BENCH_SIDES_H_
#define HOMOLOG_TESTS_BENCH_SIDES_H_

#include <limits>
#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "server/analysis/correlation.h"
#include "tests/bench/workload.h"

namespace homolog::bench {

// How Homolog goes about it.
struct OurOptions {
  analysis::Precision precision = analysis::Precision::kFloat32;
  int64_t rotations = 1;
  int64_t memory_bytes = std::numeric_limits<int64_t>::max();  // without weights
  // Rows of matrices whose product is timed between the blocks, for the machine's rate while it
  // works; 0: none. It is not in the seconds.
  int64_t machine_matrix = 0;
};

// Both build the workload's models, then time how long every ordered pair of them takes, baseline
// included. They give {"seconds", "max_corr", "baseline"}; the last two are lists with one list per
// ordered pair (0, 1), (0, 2) ... (1, 0) ... of one number per neuron.

// One call of analysis::ComputeCorrelations for all. Also {"forward_seconds", "moments_seconds",
// "reduction_seconds", "machine_rate" (operations a second of the products between the blocks, null
// without), "shares" (of that rate, of the statistics and products of every block; empty without,
// or where there are several passes), "measured_error", "passes"}.
absl::StatusOr<nlohmann::json> OurSide(const Workload& workload, const OurOptions& options);
// The published method, `batch` sequences at a time.
absl::StatusOr<nlohmann::json> PublishedSide(const Workload& workload, int64_t batch);

}  // namespace homolog::bench

#endif  // HOMOLOG_TESTS_BENCH_SIDES_H_
