// The sets of models that correlations are measured on.
//
// Thread-safety: values and pure functions; Build throws what libtorch throws.
#ifndef HOMOLOG_TESTS_BENCH_WORKLOAD_H_
#define HOMOLOG_TESTS_BENCH_WORKLOAD_H_

#include <CLI/App.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/engine/model.h"
#include "tests/bench/random_model.h"

namespace homolog::bench {

// Models of one shape, and the tokens that they all read.
struct Workload {
  std::string name;
  int64_t models = 0;
  engine::ModelShape shape;  // its context is the sequence length
  int64_t sequences = 0;
  bool has_peer = true;  // the published method is run, too

  int64_t tokens() const { return sequences * shape.context_length; }
};

// What was typed; 0: as the named shape has it.
struct WorkloadFlags {
  std::string shape = "a";
  int64_t models = 0, layers = 0, neurons = 0, tokens = 0, sequence_length = 0;
};

// (a) 2 models of 6 layers x 1024 neurons, 32768 tokens; (b) 5 models of 4 layers x 1024 neurons,
// 16384 tokens; (c) 2 models of GPT-2 small's size, 2048 tokens, without the peer.
void AddWorkloadFlags(CLI::App& command, WorkloadFlags& flags);

// INVALID_ARGUMENT where the tokens fill no sequence; the tail that fills none is left out.
absl::StatusOr<Workload> ResolveWorkload(const WorkloadFlags& flags);

struct BuiltWorkload {
  std::vector<std::unique_ptr<engine::Model>> models;
  MemoryTokens tokens;

  // Every model but number `reference`, in order.
  std::vector<const engine::Model*> PartnersOf(size_t reference) const;
};
absl::StatusOr<BuiltWorkload> Build(const Workload& workload);

}  // namespace homolog::bench

#endif  // HOMOLOG_TESTS_BENCH_WORKLOAD_H_
