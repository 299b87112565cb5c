// Drives a server with many clients at once.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_CLIENT_CLI_LOAD_RUN_H_
#define HOMOLOG_CLIENT_CLI_LOAD_RUN_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "client/cli/load_client.h"
#include "client/cli/load_mix.h"
#include "client/cli/load_tally.h"
#include "client/cpp/connection.h"

namespace homolog::cli {

struct LoadOptions {
  int clients = 8;
  std::chrono::milliseconds duration = std::chrono::seconds(10);
  LoadMix mix = DefaultLoadMix();
  uint64_t seed = 0;
  std::string latest_operation;  // to watch until a computation of the load has started
};

struct LoadResult {
  LoadTally tally;  // of all clients
  double seconds = 0;
};

// Runs one thread per client, each over a connection of its own from `connect`, all of them
// connected before the clock starts, until the duration is over or `interrupted` (asked from many
// threads). The calls that are then under way are finished and counted.
LoadResult RunLoad(const std::function<std::shared_ptr<client::Connection>()>& connect,
                   const LoadTarget& target, const LoadOptions& options,
                   const std::function<bool()>& interrupted);

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_LOAD_RUN_H_
