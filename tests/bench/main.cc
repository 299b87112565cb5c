// homolog-bench: where Homolog's speed is measured.
#include <ATen/core/grad_mode.h>
#include <c10/core/GradMode.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <string>

#include "absl/status/status.h"
#include "server/engine/device.h"
#include "tests/bench/benchmark.h"
#include "tests/bench/output.h"

namespace homolog::bench {
namespace {

struct Entry {
  const char* name;
  const char* help;
  Run (*add)(CLI::App&);
};

constexpr Entry kBenchmarks[] = {
    {"machine", "The float32 matrix rate and the memory bandwidth", AddMachine},
    {"forward", "Reading the activations of a randomly initialised GPT-2", AddForward},
    {"load", "A checkpoint from its files into memory", AddLoad},
    {"compare", "Correlations of several models, beside the published method", AddCompare},
    {"query", "Universal neurons of a stored correlation", AddQuery},
    {"ablate", "A set ablated layer by layer, beside every layer from scratch", AddAblate},
    {"tokenize", "Text to token ids, on one core", AddTokenize},
};

absl::Status RunAndWrite(const Run& run, const CommonFlags& flags, const std::string& json_file) {
  const auto threads = engine::SetThreads(flags.threads);
  if (!threads.ok()) return threads.status();
  const at::NoGradGuard no_grad;
  const absl::StatusOr<Report> report = run(flags);
  if (!report.ok()) return report.status();
  PrintTable(report->details, std::cout);
  PrintTable(report->rows, std::cout);
  return json_file.empty() ? absl::OkStatus() : WriteJson(report->rows, json_file);
}

int Main(int argc, char** argv) {
  engine::UseWidestVectors();
  CLI::App app("Measures Homolog's speed", "homolog-bench");
  app.require_subcommand(1);
  CommonFlags flags;
  std::string json_file;
  Run chosen;
  for (const Entry& entry : kBenchmarks) {
    CLI::App* command = app.add_subcommand(entry.name, entry.help);
    command->add_option("--threads", flags.threads, "Threads; 0: one per core")
        ->check(CLI::Range(0, 1024))
        ->capture_default_str();
    command->add_option("--repetitions", flags.repetitions, "How often each timed work is done")
        ->check(CLI::PositiveNumber);
    command
        ->add_option("--machine-matrix", flags.machine_matrix,
                     "Rows of the matrices whose product gives the machine's rate")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    command->add_option("--json", json_file, "Also write the rows to FILE, a list of objects");
    command->callback([&chosen, run = entry.add(*command)] { chosen = run; });
  }
  CLI11_PARSE(app, argc, argv);
  const absl::Status status = RunAndWrite(chosen, flags, json_file);
  if (!status.ok()) std::cerr << "homolog-bench: " << status.message() << "\n";
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace homolog::bench

int main(int argc, char** argv) { return homolog::bench::Main(argc, argv); }
