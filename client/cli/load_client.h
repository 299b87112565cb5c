// One of the clients that load a server.
#ifndef HOMOLOG_CLIENT_CLI_LOAD_CLIENT_H_
#define HOMOLOG_CLIENT_CLI_LOAD_CLIENT_H_

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "client/cli/load_mix.h"
#include "client/cli/load_tally.h"
#include "client/cpp/connection.h"

namespace homolog::cli {

// The name of the operation that was started last, by any client.
//
// Thread-safety: any thread.
class LatestOperation {
 public:
  explicit LatestOperation(std::string name) : name_(std::move(name)) {}
  std::string Get() const {
    const std::lock_guard lock(mutex_);
    return name_;
  }
  void Set(std::string name) {
    const std::lock_guard lock(mutex_);
    name_ = std::move(name);
  }

 private:
  mutable std::mutex mutex_;
  std::string name_;
};

// What the calls are about. Full resource names; empty where the mix needs none.
struct LoadTarget {
  std::string correlation;
  int64_t layers = 0, neurons_per_layer = 0;  // of the correlation's reference
  int64_t extracted_layers = 0;               // of the first checkpoint
  std::string dataset;
  std::vector<std::string> checkpoints;  // the reference, then its partners
};

// Makes calls over one connection and keeps count of them.
//
// Thread-safety: one thread at a time.
class LoadClient {
 public:
  // `target`, `latest` and what `is_over` uses outlive it; `is_over` says that the load has to end.
  LoadClient(std::shared_ptr<client::Connection> connection, const LoadTarget& target,
             LatestOperation& latest, std::function<bool()> is_over, uint64_t seed);

  // One call that is not counted: it connects.
  void Connect();
  // Draws a call from `mix` and makes it, with what follows from it.
  void MakeCall(const LoadMix& mix);

  const LoadTally& tally() const { return tally_; }

 private:
  // Makes `call` and counts it under `kind`.
  absl::Status Count(LoadCall kind, const std::function<absl::Status()>& call);
  // 0 to limit - 1; 0 where the limit is 0.
  uint64_t Random(uint64_t limit) { return limit == 0 ? 0 : random_() % limit; }

  absl::Status Query();
  absl::Status List();
  absl::Status Neuron();
  absl::Status Table();
  absl::Status Watch();
  void Extract();
  void Compute();
  void Cancel(const std::string& operation);
  void Follow(const std::string& operation);

  const std::shared_ptr<client::Connection> connection_;
  const LoadTarget& target_;
  LatestOperation& latest_;
  const std::function<bool()> is_over_;
  std::mt19937_64 random_;
  LoadTally tally_;
};

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_LOAD_CLIENT_H_
