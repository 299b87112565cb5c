// homolog-bench load: a checkpoint from its files into memory, as LoadCheckpoint does.
#include <ATen/ATen.h>
#include <malloc.h>

#include <fstream>
#include <limits>
#include <memory>
#include <sstream>
#include <string>

#include "common/error.h"
#include "server/checkpoints/registry.h"
#include "server/engine/torch_errors.h"
#include "tests/bench/benchmark.h"
#include "tests/bench/model_flags.h"
#include "tests/bench/random_model.h"
#include "tests/bench/timing.h"
#include "tests/support/temporary_folder.h"

namespace homolog::bench {
namespace {

const CheckpointName kName = {"random", "0"};

// The process's resident memory, now and at its peak ("VmRSS", "VmHWM"), in bytes.
int64_t ResidentBytes(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(field + ":", 0) != 0) continue;
    int64_t kibibytes = 0;
    std::istringstream(line.substr(field.size() + 1)) >> kibibytes;
    return kibibytes * 1024;
  }
  return 0;
}

// The peak starts again at what is resident now.
void ResetPeak() { std::ofstream("/proc/self/clear_refs") << "5"; }

struct Loading {
  double seconds = 0;
  int64_t peak_bytes = 0;  // beyond what was resident before
  int64_t weight_bytes = 0;
};

// What the first client of a checkpoint waits for.
absl::StatusOr<Loading> Load(checkpoints::Registry& registry) {
  malloc_trim(0);  // what was freed before would be resident already, and filled again unseen
  ResetPeak();
  const int64_t before = ResidentBytes("VmRSS");
  const double start = Now();
  HOMOLOG_ASSIGN_OR_RETURN(const checkpoints::CheckpointHandle handle, registry.Acquire(kName));
  return Loading{Now() - start, ResidentBytes("VmHWM") - before, handle->info.device_bytes};
}

nlohmann::ordered_json Row(const char* what, const Timing& timing, const Loading& last) {
  const auto bytes = static_cast<double>(last.weight_bytes);
  return {{"what", what},
          {"weights_mb", bytes / 1e6},
          {"seconds_min", timing.min},
          {"seconds_median", timing.median},
          {"gb_per_second", bytes / timing.min / 1e9},
          {"peak_memory_ratio", static_cast<double>(last.peak_bytes) / bytes}};
}

absl::StatusOr<Report> Measure(const engine::ModelShape& shape, const CommonFlags& common) {
  const homolog::testing::TemporaryFolder folder;
  HOMOLOG_RETURN_IF_ERROR(WriteRandomCheckpoint(folder / "random/0", shape, /*seed=*/1));
  HOMOLOG_ASSIGN_OR_RETURN(checkpoints::Repository repository,
                           checkpoints::Repository::Open(folder.path().string()));
  checkpoints::MemoryDigestMemo digests;
  checkpoints::Registry registry(std::move(repository), at::kCPU,
                                 std::numeric_limits<int64_t>::max() / 2, &digests);
  Report report;
  // Just written, the files are in the page cache; their digest is not known yet.
  HOMOLOG_ASSIGN_OR_RETURN(const Loading first, Load(registry));
  report.rows.push_back(Row("first load, with digest", Summarise({first.seconds}), first));
  std::vector<double> seconds;
  Loading last;
  for (int i = 0; i < common.Repetitions(5); ++i) {
    HOMOLOG_RETURN_IF_ERROR(registry.Unload(kName));
    HOMOLOG_ASSIGN_OR_RETURN(last, Load(registry));
    seconds.push_back(last.seconds);
  }
  report.rows.push_back(Row("warm load", Summarise(seconds), last));
  return report;
}

}  // namespace

Run AddLoad(CLI::App& command) {
  auto shape = std::make_shared<engine::ModelShape>(kGpt2Small);
  AddShapeFlags(command, *shape);
  return [shape](const CommonFlags& common) {
    return engine::CatchTorch([&] { return Measure(*shape, common); });
  };
}

}  // namespace homolog::bench
