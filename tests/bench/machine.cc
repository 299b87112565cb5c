// homolog-bench machine
#include <utility>

#include "server/engine/torch_errors.h"
#include "tests/bench/benchmark.h"
#include "tests/bench/machine_rate.h"
#include "tests/bench/operation_count.h"

namespace homolog::bench {
namespace {

constexpr int64_t kCopyBytes = int64_t{512} << 20;

nlohmann::ordered_json Row(const char* what, const Timing& timing, double amount,
                           const char* unit) {
  return {{"what", what},
          {"seconds_min", timing.min},
          {"seconds_median", timing.median},
          {"best", amount / timing.min / 1e9},
          {"median", amount / timing.median / 1e9},
          {"unit", unit}};
}

}  // namespace

Run AddMachine(CLI::App&) {
  return [](const CommonFlags& common) {
    return engine::CatchTorch([&]() -> absl::StatusOr<Report> {
      const int repetitions = common.Repetitions(5);
      const int64_t size = common.machine_matrix;
      Report report;
      report.rows = {
          Row("float32 matrix product", TimeMatrixProduct(size, repetitions),
              ProductOperations(size, size, size), "GFLOP/s"),
          // A copy reads and writes.
          Row("memory copy", TimeCopy(kCopyBytes, repetitions), 2.0 * kCopyBytes, "GB/s")};
      return report;
    });
  };
}

}  // namespace homolog::bench
