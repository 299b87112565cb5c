// The two sides of a comparison: the same question to Homolog's engine and to the published method.
//
// Thread-safety: pure functions on the calling thread. They throw what libtorch throws.
#ifndef HOMOLOG_TESTS_BENCH_SIDES_H_
#define HOMOLOG_TESTS_BENCH_SIDES_H_

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "tests/bench/workload.h"

namespace homolog::bench {

// Both build the workload's models, then time how long every ordered pair of them takes, baseline
// included. They give {"seconds", "accumulation_seconds", "accumulation_operations", "max_corr",
// "baseline"}; the last two are lists with one list per ordered pair (0, 1), (0, 2) ... (1, 0) ...
// of one number per neuron. The accumulation is what is not reduction: forward passes and moments;
// null where it is not told apart.

// One call of analysis::ComputeCorrelations per reference model.
absl::StatusOr<nlohmann::json> OurSide(const Workload& workload);
// The published method, `batch` sequences at a time.
absl::StatusOr<nlohmann::json> PublishedSide(const Workload& workload, int64_t batch);

}  // namespace homolog::bench

#endif  // HOMOLOG_TESTS_BENCH_SIDES_H_
