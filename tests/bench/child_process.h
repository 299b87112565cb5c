// Work in a process of its own, so that its peak memory is its own.
#ifndef HOMOLOG_TESTS_BENCH_CHILD_PROCESS_H_
#define HOMOLOG_TESTS_BENCH_CHILD_PROCESS_H_

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"

namespace homolog::bench {

struct ChildResult {
  nlohmann::json value;
  int64_t peak_bytes = 0;  // resident, of the whole process
  double cpu_seconds = 0;  // user and system, of all threads
};

// Forks, calls `work` in the child and brings back what it gave. The calling process must not have
// run anything in parallel yet: a fork takes its threads away. INTERNAL where the child ended
// without a result (killed, out of memory) or `work` threw.
absl::StatusOr<ChildResult> RunInChild(const std::function<absl::StatusOr<nlohmann::json>()>& work);

}  // namespace homolog::bench

#endif  // HOMOLOG_TESTS_BENCH_CHILD_PROCESS_H_
