// What every benchmark is: a subcommand with flags of its own that gives rows of numbers.
//
// A new benchmark is one file that defines its Add function, and one line in main.cc.
#ifndef HOMOLOG_TESTS_BENCH_BENCHMARK_H_
#define HOMOLOG_TESTS_BENCH_BENCHMARK_H_

#include <CLI/App.hpp>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/status/statusor.h"

namespace homolog::bench {

// One object per row; its keys, in their order, are the table's columns.
using Rows = std::vector<nlohmann::ordered_json>;

struct Report {
  Rows rows;     // printed, and written to the JSON file
  Rows details;  // printed only
};

struct CommonFlags {
  int threads = 0;  // 0: one per core
  // Rows of the matrices whose product gives the machine's rate.
  int64_t machine_matrix = 4096;
  int repetitions = 0;  // of every timed piece of work; 0: the benchmark's own number

  int Repetitions(int own) const { return repetitions > 0 ? repetitions : own; }
};

using Run = std::function<absl::StatusOr<Report>(const CommonFlags&)>;

// Each adds its flags to `command` and returns what runs it. Nothing may touch a tensor before
// Run: a benchmark may fork.
Run AddMachine(CLI::App& command);
Run AddForward(CLI::App& command);
Run AddLoad(CLI::App& command);
Run AddCompare(CLI::App& command);
Run AddQuery(CLI::App& command);
Run AddAblate(CLI::App& command);
Run AddTokenize(CLI::App& command);

}  // namespace homolog::bench

#endif  // HOMOLOG_TESTS_BENCH_BENCHMARK_H_
