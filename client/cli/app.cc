#include "client/cli/app.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <map>

#include "client/cli/exit_code.h"
#include "client/cli/nouns.h"
#include "client/cli/session.h"
#include "common/error.h"

namespace homolog::cli {
namespace {

constexpr char kDefaultServer[] = "localhost:7431";

struct GlobalArguments {
  std::string server = kDefaultServer;
  std::string format = "table";
  client::SecuritySources security;
};

const std::map<std::string, Format>& Formats() {
  static const auto* const formats = new std::map<std::string, Format>{
      {"table", Format::kTable}, {"json", Format::kJson}, {"csv", Format::kCsv}};
  return *formats;
}

void DeclareSecurity(CLI::App& app, client::SecuritySources& security) {
  app.add_flag("--tls", security.tls, "Encrypt, and trust whom this machine trusts");
  app.add_option("--ca", security.ca_file,
                 "Encrypt, and trust servers whose certificate one in this PEM file has signed")
      ->envname("HOMOLOG_CA");
  app.add_option("--cert", security.certificate_file,
                 "PEM file of this client's certificate, for servers that ask for one")
      ->envname("HOMOLOG_CERT");
  app.add_option("--key", security.key_file, "PEM file of the private key of --cert")
      ->envname("HOMOLOG_KEY");
  app.add_option("--token-file", security.token_file,
                 "File that holds the token of this client; without it HOMOLOG_TOKEN is the token")
      ->envname("HOMOLOG_TOKEN_FILE");
  app.add_flag("--insecure", security.insecure,
               "Send the token to other machines in the clear, too");
}

void Declare(CLI::App& app, GlobalArguments& global, Action& chosen) {
  app.description("Homologous neurons: which neurons do independently trained models share?");
  // The options below are found also behind the noun and the verb.
  app.fallthrough();
  app.require_subcommand(1);
  app.footer(kExitCodeHelp);
  app.set_version_flag("--version", std::string("homolog ") + HOMOLOG_VERSION);
  app.add_option("--server", global.server, "Server, as HOST:PORT (default localhost:7431)")
      ->envname("HOMOLOG_SERVER");
  DeclareSecurity(app, global.security);
  app.add_option("-o,--output", global.format, "Format of standard output (default table)")
      ->check(CLI::IsMember({"table", "json", "csv"}));
  AddCheckpoints(app, chosen);
  AddDatasets(app, chosen);
  AddActivations(app, chosen);
  AddCorrelations(app, chosen);
  AddNeurons(app, chosen);
  AddAblations(app, chosen);
  AddStudies(app, chosen);
  AddOperations(app, chosen);
  AddStore(app, chosen);
  AddBench(app, chosen);
}

void PrintError(const absl::Status& status, std::ostream& err) {
  const std::string message(status.message().data(), status.message().size());
  err << "homolog: " << absl::StatusCodeToString(status.code()) << ": " << Printable(message)
      << std::endl;
}

// gRPC's own words for a server that is not there name sockets, not what to do.
absl::Status Explain(const absl::Status& status, const std::string& server,
                     const client::Security& security) {
  if (!absl::IsUnavailable(status) || !ErrorReason(status).empty()) return status;
  return Annotate(status,
                  "cannot reach a Homolog server at " + server +
                      (security.tls ? " over TLS (see --server and HOMOLOG_SERVER; is it signed by "
                                      "--ca, and does it ask for --cert and --key?)"
                                    : " (see --server and HOMOLOG_SERVER; where it asks for TLS, "
                                      "--ca or --tls)"));
}

// Help, the version or a usage error.
int EndOfParsing(const CLI::App& app, const CLI::ParseError& error, const Surroundings& around) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    app.exit(error, around.out, around.err);
    return kExitOk;
  }
  PrintError(InvalidArgument("BAD_USAGE", std::string(error.what()) +
                                              "; --help after any noun or verb explains it"),
             around.err);
  return kExitUsage;
}

absl::StatusOr<client::Security> SecurityOf(client::SecuritySources sources) {
  // No flag: the command lines of all processes are for everybody to see.
  if (const char* token = std::getenv("HOMOLOG_TOKEN"); token != nullptr) sources.token = token;
  return client::ReadSecurity(sources);
}

absl::Status ConnectAndAct(const GlobalArguments& global, const Action& action,
                           const Surroundings& around) {
  // Read once: a file may be a pipe.
  HOMOLOG_ASSIGN_OR_RETURN(const client::Security security, SecurityOf(global.security));
  const auto connect = [&] { return around.connect(global.server, security); };
  HOMOLOG_ASSIGN_OR_RETURN(std::shared_ptr<client::Connection> connection, connect());
  client::Client client(std::move(connection));
  Output output(Formats().at(global.format), around.out);
  // What could be refused was, the first time.
  Session session{client, output, around.err, around.err_is_terminal,
                  [&] { return connect().value(); }};
  return Explain(action(session), global.server, security);
}

int RunAction(const GlobalArguments& global, const Action& action, const Surroundings& around) {
  absl::Status status = ConnectAndAct(global, action, around);
  around.out.flush();
  if (status.ok() && !around.out.good()) {
    status = DataLoss("OUTPUT_FAILED", "standard output could not be written");
  }
  if (!status.ok()) PrintError(status, around.err);
  return ExitCodeOf(status);
}

}  // namespace

int RunCommandLine(const std::vector<std::string>& arguments, const Surroundings& surroundings) {
  CLI::App app("", "homolog");
  GlobalArguments global;
  Action chosen;
  Declare(app, global, chosen);
  try {
    // CLI11 wants them the other way round.
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    return EndOfParsing(app, error, surroundings);
  }
  return RunAction(global, chosen, surroundings);
}

}  // namespace homolog::cli
