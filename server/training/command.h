// What homolog-train does once its command line is read.
//
// Thread-safety: call once per process.
#ifndef HOMOLOG_SERVER_TRAINING_COMMAND_H_
#define HOMOLOG_SERVER_TRAINING_COMMAND_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/training/options.h"

namespace homolog::training {

// Trains the seeds that are not there yet: one in this process, several in a process each, which
// are this executable with `arguments` (without the program's name) and a worker's flag.
absl::Status RunCommand(const Options& options, const std::vector<std::string>& arguments);

// The exit code of a command that ended with `status`; `stop_signal` is the signal that stopped it,
// or 0.
int ExitCode(const absl::Status& status, int stop_signal);

}  // namespace homolog::training

#endif  // HOMOLOG_SERVER_TRAINING_COMMAND_H_
