// Waiting for operations, and showing them.
//
// Thread-safety: one thread at a time.
#ifndef HOMOLOG_CLIENT_CLI_FOLLOW_H_
#define HOMOLOG_CLIENT_CLI_FOLLOW_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/fields.h"
#include "client/cli/session.h"
#include "homolog/v1/operation.pb.h"

namespace homolog::cli {

const Fields<v1::Operation>& OperationFields();

// Follows the operation until it has ended, with a progress bar. Ctrl-C leaves it running and says
// how to come back to it.
absl::StatusOr<v1::Operation> Follow(Session& session, const std::string& name);

// Ends a command that has started an operation: with `no_wait` prints it; otherwise waits for it
// and, where it succeeded, prints its results by `print_results` (given their names; at least one).
absl::Status Conclude(
    Session& session, const absl::StatusOr<v1::Operation>& started, bool no_wait,
    const std::function<absl::Status(const std::vector<std::string>&)>& print_results);

// The words for Ctrl-C while waiting for the operation.
std::string HowToComeBack(const std::string& operation);

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_FOLLOW_H_
