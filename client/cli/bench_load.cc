#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/exit_code.h"
#include "client/cli/flags.h"
#include "client/cli/interrupt.h"
#include "client/cli/load_report.h"
#include "client/cli/load_run.h"
#include "client/cli/nouns.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "common/text.h"

namespace homolog::cli {
namespace {

constexpr int32_t kMaxClients = 1000;
constexpr double kMaxSeconds = 7 * 24 * 3600;

struct LoadArguments {
  int32_t clients = LoadOptions().clients;
  std::optional<double> duration;
  std::vector<std::string> mix;
  std::string correlation;
  std::string dataset;
  std::vector<std::string> checkpoints;
  std::optional<uint64_t> seed;
};

bool Draws(const LoadMix& mix, std::initializer_list<LoadCall> calls) {
  for (const LoadCall call : calls) {
    if (mix[static_cast<size_t>(call)] > 0) return true;
  }
  return false;
}

absl::Status UnusedFlag(const std::string& flag, const std::string& value,
                        const std::string& remedy) {
  return InvalidArgument(
      "UNUSED_FLAG",
      absl::StrCat(flag, " is ", Quoted(value),
                   ", which no call of this mix uses; leave it out, or ", remedy),
      {{"flag", flag}});
}

// What nothing would use was meant for another mix: the load would measure something else than was
// asked for.
absl::Status CheckFlagsAreUsed(const LoadArguments& arguments, const LoadMix& mix) {
  using enum LoadCall;
  constexpr char kMixThatComputes[] = "give extract or compute a weight in --mix (extract=1)";
  const bool computes = Draws(mix, {kExtract, kCompute});
  if (!arguments.dataset.empty() && !computes) {
    return UnusedFlag("--dataset", arguments.dataset, kMixThatComputes);
  }
  if (!arguments.checkpoints.empty() && !computes) {
    return UnusedFlag("--checkpoints", absl::StrJoin(arguments.checkpoints, ","), kMixThatComputes);
  }
  if (arguments.checkpoints.size() > 1 && !Draws(mix, {kCompute})) {
    return UnusedFlag(
        "--checkpoints", arguments.checkpoints[1],
        "give compute a weight in --mix (compute=1): extract runs the first checkpoint alone");
  }
  const bool taken_from = computes && (arguments.dataset.empty() || arguments.checkpoints.empty());
  if (arguments.correlation.empty() || taken_from || Draws(mix, {kQuery, kGet, kNeuron, kTable})) {
    return absl::OkStatus();
  }
  return UnusedFlag("--correlation", arguments.correlation,
                    computes
                        ? "leave out --dataset or --checkpoints, which are used in its place"
                        : "give query, get, neuron, table, extract or compute a weight in --mix");
}

absl::StatusOr<LoadOptions> OptionsOf(const LoadArguments& arguments) {
  LoadOptions options;
  if (arguments.clients < 1 || arguments.clients > kMaxClients) {
    return InvalidArgument("BAD_CLIENTS", absl::StrCat("--clients is ", arguments.clients,
                                                       "; must be 1 to ", kMaxClients));
  }
  options.clients = arguments.clients;
  if (arguments.duration) {
    // Written so that it refuses what is not a number, too.
    if (!(*arguments.duration >= 0.1 && *arguments.duration <= kMaxSeconds)) {
      return InvalidArgument(
          "BAD_DURATION", absl::StrCat("--duration is ", *arguments.duration, "; must be 0.1 to ",
                                       kMaxSeconds, " seconds"));
    }
    options.duration = std::chrono::milliseconds(std::llround(1000 * *arguments.duration));
  }
  if (!arguments.mix.empty()) {
    HOMOLOG_ASSIGN_OR_RETURN(options.mix, ParseLoadMix(arguments.mix));
  }
  HOMOLOG_RETURN_IF_ERROR(CheckFlagsAreUsed(arguments, options.mix));
  options.seed = arguments.seed.value_or(0);
  return options;
}

// The correlation that was named, or the first listed; one without a name where there is none.
absl::StatusOr<v1::Correlation> FindCorrelation(Session& session, const std::string& typed) {
  if (!typed.empty()) {
    HOMOLOG_ASSIGN_OR_RETURN(const std::string name, ExpandName(kCorrelations, typed));
    return session.client.GetCorrelation(name);
  }
  HOMOLOG_ASSIGN_OR_RETURN(const auto list, session.client.ListCorrelations());
  return list.correlations().empty() ? v1::Correlation() : list.correlations(0);
}

absl::Status SetComputation(const LoadArguments& arguments, const v1::Correlation& correlation,
                            LoadTarget& target) {
  target.dataset = correlation.dataset();
  if (!arguments.dataset.empty()) {
    HOMOLOG_ASSIGN_OR_RETURN(target.dataset, ExpandName(kDatasets, arguments.dataset));
  }
  for (const std::string& typed : arguments.checkpoints) {
    HOMOLOG_ASSIGN_OR_RETURN(const std::string name, ExpandCheckpointName(typed));
    target.checkpoints.push_back(name);
  }
  if (arguments.checkpoints.empty() && !correlation.name().empty()) {
    target.checkpoints.push_back(correlation.reference().name());
    for (const auto& partner : correlation.partners()) target.checkpoints.push_back(partner.name());
  }
  return absl::OkStatus();
}

absl::Status CheckTarget(const LoadMix& mix, const LoadTarget& target) {
  using enum LoadCall;
  if (target.correlation.empty() && Draws(mix, {kQuery, kGet, kNeuron, kTable})) {
    return FailedPrecondition("NO_CORRELATION",
                              "the server has no correlation to ask about; compute one, or leave "
                              "query, get, neuron and table out of --mix");
  }
  if (!Draws(mix, {kExtract, kCompute})) return absl::OkStatus();
  const size_t least = Draws(mix, {kCompute}) ? 2 : 1;
  if (target.dataset.empty() || target.checkpoints.size() < least) {
    return FailedPrecondition("NOTHING_TO_COMPUTE",
                              absl::StrCat("extract and compute need --dataset and --checkpoints (",
                                           least, " or more), or a correlation to take them from"));
  }
  return absl::OkStatus();
}

// Extractions are of the layers of the first checkpoint.
absl::Status SetShape(Session& session, const v1::Correlation& correlation, LoadTarget& target) {
  v1::ModelShape shape = correlation.reference().shape();
  if (!target.checkpoints.empty() && target.checkpoints.front() != correlation.reference().name()) {
    HOMOLOG_ASSIGN_OR_RETURN(const auto checkpoint,
                             session.client.GetCheckpoint(target.checkpoints.front()));
    target.extracted_layers = checkpoint.shape().layers();
  } else {
    target.extracted_layers = shape.layers();
  }
  target.layers = shape.layers();
  target.neurons_per_layer = shape.d_mlp();
  return absl::OkStatus();
}

absl::StatusOr<LoadTarget> FindTarget(Session& session, const LoadArguments& arguments,
                                      LoadOptions& options) {
  LoadTarget target;
  HOMOLOG_ASSIGN_OR_RETURN(const auto correlation, FindCorrelation(session, arguments.correlation));
  target.correlation = correlation.name();
  HOMOLOG_RETURN_IF_ERROR(SetComputation(arguments, correlation, target));
  HOMOLOG_RETURN_IF_ERROR(CheckTarget(options.mix, target));
  HOMOLOG_RETURN_IF_ERROR(SetShape(session, correlation, target));
  HOMOLOG_ASSIGN_OR_RETURN(const auto operations, session.client.ListOperations());
  if (!operations.operations().empty()) {
    options.latest_operation = operations.operations().rbegin()->name();
  } else if (Draws(options.mix, {LoadCall::kWatch}) && !Draws(options.mix, {LoadCall::kCompute})) {
    return FailedPrecondition("NO_OPERATION",
                              "the server has no operation to watch; leave watch out of --mix");
  }
  return target;
}

absl::Status Load(Session& session, const LoadArguments& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(LoadOptions options, OptionsOf(arguments));
  HOMOLOG_ASSIGN_OR_RETURN(const LoadTarget target, FindTarget(session, arguments, options));
  const InterruptFlag interrupt;
  const LoadResult result =
      RunLoad(session.connect, target, options, [&] { return interrupt.IsSet(); });
  PrintLoad(session, options, result);
  // What was asked for was not measured to its end, however the calls went.
  return interrupt.IsSet() ? Interrupted() : CallsStatus(result);
}

void AddLoad(CLI::App* noun, Action& chosen) {
  const auto [verb, arguments] = AddVerb<LoadArguments>(
      noun, "load",
      "Call the server from many clients at once: throughput, latencies of what succeeded (within "
      "1 %, the maximum exactly) and errors. Ends with the code of the most frequent error, where "
      "there is one",
      chosen, Load);
  AddFlag(verb, "--clients", &arguments->clients,
          "Clients, each with a thread and a connection of its own, 1 to 1000 (default 8)");
  AddFlag(verb, "--duration", &arguments->duration, "Seconds to go on for (default 10)");
  AddFlag(
      verb, "--mix", &arguments->mix,
      "How often each kind of call is drawn, of query, list, get, neuron, table, watch, extract "
      "and compute (default query=8,list=4,get=4,neuron=2,table=1,watch=1)");
  AddFlag(verb, "--correlation", &arguments->correlation,
          "Correlation that query, get, neuron and table are about (default: the first listed)");
  AddFlag(verb, "--dataset", &arguments->dataset,
          "Data set that extract and compute read (default: the correlation's)");
  AddFlag(verb, "--checkpoints", &arguments->checkpoints,
          "What compute correlates, the reference first, which is also what extract runs (default: "
          "the correlation's)");
  AddFlag(verb, "--seed", &arguments->seed, "Seed of what the clients draw (default 0)");
}

}  // namespace

void AddBench(CLI::App& app, Action& chosen) {
  CLI::App* noun = AddNoun(app, "bench", "How much the server can do");
  AddLoad(noun, chosen);
}

}  // namespace homolog::cli
