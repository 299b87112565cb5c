// The homolog command line, from its arguments to its exit code.
//
// Thread-safety: one thread at a time.
#ifndef HOMOLOG_CLIENT_CLI_APP_H_
#define HOMOLOG_CLIENT_CLI_APP_H_

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/connection.h"
#include "client/cpp/security.h"

namespace homolog::cli {

// Where a command line runs.
struct Surroundings {
  std::ostream& out;
  std::ostream& err;
  bool err_is_terminal = false;
  // Connects to the server of --server, HOMOLOG_SERVER or the default.
  std::function<absl::StatusOr<std::shared_ptr<client::Connection>>(
      const std::string& server, const client::Security& security)>
      connect;
};

// Runs `arguments` (without the program's name). Returns the exit code (exit_code.h).
int RunCommandLine(const std::vector<std::string>& arguments, const Surroundings& surroundings);

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_APP_H_
