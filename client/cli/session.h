// What a command works with.
#ifndef HOMOLOG_CLIENT_CLI_SESSION_H_
#define HOMOLOG_CLIENT_CLI_SESSION_H_

#include <functional>
#include <memory>
#include <ostream>

#include "absl/status/status.h"
#include "client/cli/output.h"
#include "client/cpp/client.h"

namespace homolog::cli {

struct Session {
  client::Client& client;
  Output& output;     // standard output: data
  std::ostream& err;  // standard error: progress and notes
  bool err_is_terminal = false;
  // One more connection to the same server, for commands that need several.
  std::function<std::shared_ptr<client::Connection>()> connect = nullptr;
};

// A command, ready to run.
using Action = std::function<absl::Status(Session&)>;

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_SESSION_H_
