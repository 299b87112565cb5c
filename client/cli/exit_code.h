// What the shell sees.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_CLIENT_CLI_EXIT_CODE_H_
#define HOMOLOG_CLIENT_CLI_EXIT_CODE_H_

#include "absl/status/status.h"

namespace homolog::cli {

enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,
  kExitUsage = 2,
  kExitNotFound = 3,
  kExitUnavailable = 4,
  kExitRefused = 5,
  kExitNotAllowed = 6,
  kExitInterrupted = 130,  // 128 + SIGINT, as shells have it
};

// The codes as --help explains them.
inline constexpr char kExitCodeHelp[] =
    "Exit codes:\n"
    "  0    done\n"
    "  1    failed in a way that has no code of its own\n"
    "  2    bad usage, or an argument that the server refused (INVALID_ARGUMENT)\n"
    "  3    what was named does not exist (NOT_FOUND)\n"
    "  4    no server reached, or no answer in time (UNAVAILABLE, DEADLINE_EXCEEDED)\n"
    "  5    not in the present state of things (FAILED_PRECONDITION, ALREADY_EXISTS,\n"
    "       RESOURCE_EXHAUSTED, ABORTED)\n"
    "  6    not allowed: no token that the server knows, or one whose role is too low\n"
    "       (UNAUTHENTICATED, PERMISSION_DENIED)\n"
    "  130  interrupted by Ctrl-C";

ExitCode ExitCodeOf(const absl::Status& status);

// The error for a command that Ctrl-C has ended.
absl::Status Interrupted();

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_EXIT_CODE_H_
