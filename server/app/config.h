// The configuration of homologd: flags, validated before the first thread starts.
//
// Thread-safety: a value.
#ifndef HOMOLOG_SERVER_APP_CONFIG_H_
#define HOMOLOG_SERVER_APP_CONFIG_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/limits.h"

namespace homolog::app {

struct Config {
  std::string repository;                         // folder of models
  std::string data;                               // folder of the store; created where missing
  std::string listen;                             // HOST:PORT of gRPC
  std::string admin;                              // HOST:PORT of HTTP; empty: none
  std::string device;                             // auto, cpu, cuda:N
  int threads = 0;                                // intra-op; 0: one per core
  int64_t memory_budget_bytes = 0;                // 0: 80% of the device's memory
  int64_t store_budget_bytes = 0;                 // of results; 0: no limit
  std::chrono::seconds snapshot_interval{600};    // of a correlation's sums
  std::chrono::seconds operation_ttl{7 * 86400};  // ended operations are forgotten after it
  std::vector<std::string> preload;               // checkpoints to load before it serves
  int drain_seconds = 0;                          // time that a shutdown may take
  bool check = false;                             // validate and exit

  std::string tls_cert, tls_key;  // PEM files; empty: no TLS
  std::string tls_client_ca;      // PEM file; empty: clients need no certificate
  int tls_refresh_seconds = 10;   // how often these files are looked at
  std::string token_file;         // rpc/token_file.h; empty: no tokens
  bool insecure = false;          // exposed, and that is meant

  Limits limits;
};

// Reads the command line (and --flagfile). Flags may be written with '-' or '_' between words.
// INVALID_ARGUMENT naming the flag, its value and what would be right. Prints and exits for --help
// and for flags that do not exist.
absl::StatusOr<Config> ReadConfig(int argc, char** argv);

// INVALID_ARGUMENT (reason INVALID_FLAG): --`flag` has a `value`; `right` says what would be right.
absl::Status InvalidFlag(const std::string& flag, const std::string& value,
                         const std::string& right);

// The same unless `value` is `low` to `high`.
absl::Status CheckRange(const std::string& flag, int64_t value, int64_t low, int64_t high);

// INVALID_ARGUMENT unless `address` is HOST:PORT; `flag` names it in the message.
absl::Status CheckAddress(const std::string& flag, const std::string& address);

// Bytes of "12GiB", "500MB", "1073741824". INVALID_ARGUMENT otherwise.
absl::StatusOr<int64_t> ParseBytes(const std::string& flag, const std::string& text);

}  // namespace homolog::app

#endif  // HOMOLOG_SERVER_APP_CONFIG_H_
