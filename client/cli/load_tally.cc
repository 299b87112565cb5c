#include "client/cli/load_tally.h"

#include "common/error.h"

namespace homolog::cli {

void CallTally::Add(const absl::Status& status, std::chrono::nanoseconds latency) {
  if (status.ok()) return latencies.Add(latency);
  ++errors[{status.code(), ErrorReason(status)}];
}

void CallTally::Merge(const CallTally& other) {
  latencies.Merge(other.latencies);
  for (const auto& [error, count] : other.errors) errors[error] += count;
}

int64_t CallTally::error_count() const {
  int64_t sum = 0;
  for (const auto& [error, count] : errors) sum += count;
  return sum;
}

}  // namespace homolog::cli
