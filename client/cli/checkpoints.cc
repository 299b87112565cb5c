#include "client/cli/flags.h"
#include "client/cli/nouns.h"
#include "common/enum_text.h"
#include "common/error.h"
#include "common/resource_names.h"

namespace homolog::cli {
namespace {

using v1::Checkpoint;

struct ListArguments {
  std::string model;
};

std::string NameOf(const Checkpoint& checkpoint, Style style) {
  return NameText(checkpoint.name(), style);
}

// Other checkpoints that are the same model.
std::string EqualWeights(const Checkpoint& checkpoint, Style style) {
  std::string names;
  for (const std::string& name : checkpoint.equal_weights()) {
    names += (names.empty() ? "" : " ") + NameText(name, style);
  }
  return names;
}

Fields<Checkpoint> ListFields() {
  return Fields<Checkpoint>()
      .Add("name", NameOf)
      .Add("family", [](const Checkpoint& c, Style) { return c.family(); })
      .AddNumber("layers",
                 [](const Checkpoint& c, Style) { return std::to_string(c.shape().layers()); })
      .AddNumber("d_model",
                 [](const Checkpoint& c, Style) { return std::to_string(c.shape().d_model()); })
      .AddNumber("d_mlp",
                 [](const Checkpoint& c, Style) { return std::to_string(c.shape().d_mlp()); })
      .AddNumber("parameter_count",
                 [](const Checkpoint& c, Style s) { return CountText(c.parameter_count(), s); })
      .Add("tokenizer", [](const Checkpoint& c, Style) { return c.tokenizer(); })
      .Add("state", [](const Checkpoint& c, Style) { return EnumText(c.state()); })
      .Add("device", [](const Checkpoint& c, Style) { return c.device(); })
      .Add("equal_weights", EqualWeights)
      .Add("state_message",
           [](const Checkpoint& c, Style s) { return CutText(c.state_message(), s); });
}

Fields<Checkpoint> ShowFields() {
  return Fields<Checkpoint>()
      .Add("name", NameOf)
      .Add("family", [](const Checkpoint& c, Style) { return c.family(); })
      .Add("layers", [](const Checkpoint& c, Style) { return std::to_string(c.shape().layers()); })
      .Add("d_model",
           [](const Checkpoint& c, Style) { return std::to_string(c.shape().d_model()); })
      .Add("d_mlp", [](const Checkpoint& c, Style) { return std::to_string(c.shape().d_mlp()); })
      .Add("heads", [](const Checkpoint& c, Style) { return std::to_string(c.shape().heads()); })
      .Add("vocabulary_size",
           [](const Checkpoint& c, Style) { return std::to_string(c.shape().vocabulary_size()); })
      .Add("context_length",
           [](const Checkpoint& c, Style) { return std::to_string(c.shape().context_length()); })
      .Add("nonlinearity", [](const Checkpoint& c, Style) { return c.nonlinearity(); })
      .Add("parameter_count",
           [](const Checkpoint& c, Style) { return std::to_string(c.parameter_count()); })
      .Add("weights_sha256", [](const Checkpoint& c, Style) { return c.weights_sha256(); })
      .Add("equal_weights", EqualWeights)
      .Add("tokenizer", [](const Checkpoint& c, Style) { return c.tokenizer(); })
      .Add("state", [](const Checkpoint& c, Style) { return EnumText(c.state()); })
      .Add("state_message", [](const Checkpoint& c, Style) { return c.state_message(); })
      .Add("device", [](const Checkpoint& c, Style) { return c.device(); })
      .Add("device_bytes",
           [](const Checkpoint& c, Style s) { return BytesText(c.device_bytes(), s); });
}

absl::Status List(Session& session, const ListArguments& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(const auto list, session.client.ListCheckpoints(arguments.model));
  session.output.PrintList(list, list.checkpoints(), ListFields());
  return absl::OkStatus();
}

// Show, load and unload: a function of the client that gives the checkpoint.
template <absl::StatusOr<Checkpoint> (client::Client::*kCall)(const std::string&)>
absl::Status PrintAfter(Session& session, const NameArgument& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string name, ExpandCheckpointName(arguments.name));
  HOMOLOG_ASSIGN_OR_RETURN(const Checkpoint checkpoint, (session.client.*kCall)(name));
  session.output.PrintOne(checkpoint, ShowFields());
  return absl::OkStatus();
}

}  // namespace

void AddCheckpoints(CLI::App& app, Action& chosen) {
  CLI::App* noun =
      AddNoun(app, "checkpoints", "Models at a training step, in the server's repository");
  const auto [list, arguments] =
      AddVerb<ListArguments>(noun, "list", "List the checkpoints", chosen, List);
  AddFlag(list, "--model", &arguments->model, "Only checkpoints of this model");

  const std::string name = "Checkpoint, for example alias/100000";
  AddNameVerb(noun, "show", "Show one checkpoint, with the digest of its weights", chosen,
              PrintAfter<&client::Client::GetCheckpoint>, name);
  AddNameVerb(noun, "load", "Load a checkpoint into the device's memory", chosen,
              PrintAfter<&client::Client::LoadCheckpoint>, name);
  AddNameVerb(noun, "unload", "Free a checkpoint's memory", chosen,
              PrintAfter<&client::Client::UnloadCheckpoint>, name);
}

}  // namespace homolog::cli
