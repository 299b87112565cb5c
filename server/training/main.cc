// homolog-train: trains small language models from several seeds.
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "server/engine/device.h"
#include "server/training/command.h"
#include "server/training/options.h"
#include "server/training/stop_signal.h"

int main(int argc, char** argv) {
  using namespace homolog::training;
  homolog::engine::UseWidestVectors();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const absl::StatusOr<Options> options =
      ParseOptions(arguments, std::thread::hardware_concurrency());
  if (options.ok() && !options->help.empty()) {
    std::cout << options->help;
    return 0;
  }
  CatchStopSignals();
  const absl::Status status = options.ok() ? RunCommand(*options, arguments) : options.status();
  if (!status.ok()) {
    const bool worker = options.ok() && options->worker_seed.has_value();
    // A worker's lines get their seed's name from the parent.
    std::cerr << (worker ? "" : "homolog-train: ") << status.message() << "\n";
  }
  return ExitCode(status, StopSignal());
}
