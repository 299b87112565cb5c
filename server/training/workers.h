// Runs one process per seed and gathers what they report.
//
// Thread-safety: RunWorkers belongs to one thread at a time.
#ifndef HOMOLOG_SERVER_TRAINING_WORKERS_H_
#define HOMOLOG_SERVER_TRAINING_WORKERS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/training/report.h"

namespace homolog::training {

// The file descriptor that a worker writes its reports to, one line each.
inline constexpr int kReportDescriptor = 3;

struct WorkerCommand {
  std::string name;                    // "seed 3", for messages
  std::vector<std::string> arguments;  // the first is the executable's path
};

struct WorkerEvents {
  std::function<void(const Report&)> report;
  // A line of a worker's standard error, with its name before it.
  std::function<void(const std::string&)> message;
  // Whether to stop: the workers get SIGTERM and, 10 seconds later, SIGKILL.
  std::function<bool()> stopped;
};

// Runs `commands`, at most `jobs` at once, and waits for all of them, also when one fails: the
// others' work is good. The first failure is returned, INTERNAL (reason WORKER_FAILED) with its
// exit code or signal; CANCELLED where it was stopped.
absl::Status RunWorkers(const std::vector<WorkerCommand>& commands, int64_t jobs,
                        const WorkerEvents& events);

}  // namespace homolog::training

#endif  // HOMOLOG_SERVER_TRAINING_WORKERS_H_
