// What became of the calls of a load.
//
// Thread-safety: values.
#ifndef HOMOLOG_CLIENT_CLI_LOAD_TALLY_H_
#define HOMOLOG_CLIENT_CLI_LOAD_TALLY_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "client/cli/latencies.h"
#include "client/cli/load_mix.h"

namespace homolog::cli {

// The calls of one kind.
struct CallTally {
  Latencies latencies;  // of those that succeeded: a refusal is quick and says nothing about speed
  // By code and reason ("" where the error has none).
  std::map<std::pair<absl::StatusCode, std::string>, int64_t> errors;

  void Add(const absl::Status& status, std::chrono::nanoseconds latency);
  void Merge(const CallTally& other);
  int64_t error_count() const;
};

// By LoadCall.
using LoadTally = std::array<CallTally, kLoadCalls>;

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_LOAD_TALLY_H_
