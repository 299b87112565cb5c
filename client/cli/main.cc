// homolog: the command line of a Homolog server.
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "client/cli/app.h"
#include "client/cpp/connect.h"

int main(int argc, char** argv) {
  // gRPC logs what its statuses say anyway.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  std::ios::sync_with_stdio(false);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return homolog::cli::RunCommandLine(
      arguments, {std::cout, std::cerr, isatty(STDERR_FILENO) == 1,
                  [](const std::string& server, const homolog::client::Security& security) {
                    return homolog::client::Connect(server, {.security = security});
                  }});
}
