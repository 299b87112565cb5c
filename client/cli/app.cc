#include "client/cli/app.h"

#include <CLI/CLI.hpp>
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
};

const std::map<std::string, Format>& Formats() {
  static const auto* const formats = new std::map<std::string, Format>{
      {"table", Format::kTable}, {"json", Format::kJson}, {"csv", Format::kCsv}};
  return *formats;
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
}

void PrintError(const absl::Status& status, std::ostream& err) {
  const std::string message(status.message().data(), status.message().size());
  err << "homolog: " << absl::StatusCodeToString(status.code()) << ": " << Printable(message)
      << std::endl;
}

// gRPC's own words for a server that is not there name sockets, not what to do.
absl::Status Explain(const absl::Status& status, const std::string& server) {
  if (!absl::IsUnavailable(status) || !ErrorReason(status).empty()) return status;
  return Annotate(
      status, "cannot reach a Homolog server at " + server + " (see --server and HOMOLOG_SERVER)");
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

int RunAction(const GlobalArguments& global, const Action& action, const Surroundings& around) {
  client::Client client(around.connect(global.server));
  Output output(Formats().at(global.format), around.out);
  Session session{client, output, around.err, around.err_is_terminal};
  absl::Status status = Explain(action(session), global.server);
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
