#include "client/cli/enum_text.h"
#include "client/cli/flags.h"
#include "client/cli/follow.h"
#include "client/cli/neuron_set.h"
#include "client/cli/nouns.h"
#include "common/error.h"
#include "common/resource_names.h"

namespace homolog::cli {
namespace {

using v1::Ablation;
using v1::AblationEffect;

struct RunArguments {
  std::string checkpoint;
  std::string dataset;
  NeuronSetArguments neurons;
  v1::AblationKind kind = v1::ABLATION_KIND_UNSPECIFIED;
  bool no_wait = false;
};

// Effects may be small: nats with 6 decimals.
std::string NatsText(double nats, Style style) { return RealText(nats, style, 6); }

const v1::UniversalNeurons& UniversalOf(const v1::NeuronSet& set) {
  if (set.has_others()) return set.others();
  if (set.has_random()) return set.random().universal();
  return set.universal();
}

std::string ThresholdText(const Ablation& ablation) {
  const v1::UniversalNeurons& universal = UniversalOf(ablation.neurons());
  return universal.has_threshold() ? RealText(universal.threshold(), Style::kExact) : "";
}

Fields<Ablation> ListFields() {
  return Fields<Ablation>()
      .Add("name", [](const Ablation& a, Style s) { return NameText(a.name(), s); })
      .Add("checkpoint",
           [](const Ablation& a, Style s) { return NameText(a.checkpoint().name(), s); })
      .Add("dataset", [](const Ablation& a, Style s) { return NameText(a.dataset(), s); })
      .Add("neurons", [](const Ablation& a, Style s) { return NeuronSetText(a.neurons(), s); })
      .AddNumber("threshold", [](const Ablation& a, Style) { return ThresholdText(a); })
      .Add("kind", [](const Ablation& a, Style) { return EnumText(a.kind()); })
      .AddNumber("neuron_count",
                 [](const Ablation& a, Style) { return std::to_string(a.effect().neuron_count()); })
      .AddNumber("clean_loss",
                 [](const Ablation& a, Style s) { return NatsText(a.clean_loss(), s); })
      .AddNumber("loss_increase",
                 [](const Ablation& a, Style s) { return NatsText(a.effect().loss_increase(), s); })
      .AddNumber("kl", [](const Ablation& a, Style s) { return NatsText(a.effect().kl(), s); });
}

// A value of the standard deviation over draws, "" where there is none.
template <double (AblationEffect::*kValue)() const>
std::string StdText(const Ablation& ablation, Style style) {
  return ablation.has_effect_std() ? NatsText((ablation.effect_std().*kValue)(), style) : "";
}

Fields<Ablation> ShowFields() {
  return ListFields()
      .Add("loss_increase_std", StdText<&AblationEffect::loss_increase>)
      .Add("kl_std", StdText<&AblationEffect::kl>)
      .Add("ablated_loss",
           [](const Ablation& a, Style s) { return NatsText(a.effect().ablated_loss(), s); })
      .Add("entropy_change",
           [](const Ablation& a, Style s) { return NatsText(a.effect().entropy_change(), s); })
      .Add("top1_agreement",
           [](const Ablation& a, Style s) { return RealText(a.effect().top1_agreement(), s); })
      .Add("draws", [](const Ablation& a, Style) { return std::to_string(a.draws_size()); })
      .Add("predicted_positions",
           [](const Ablation& a, Style) { return std::to_string(a.predicted_positions()); })
      .Add("correlation",
           [](const Ablation& a, Style s) {
             return NameText(UniversalOf(a.neurons()).correlation(), s);
           })
      .Add("operation", [](const Ablation& a, Style s) { return NameText(a.operation(), s); })
      .Add("create_time", [](const Ablation& a, Style s) { return TimeText(a.create_time(), s); })
      .Add("duration", [](const Ablation& a, Style s) { return DurationText(a.duration(), s); });
}

absl::Status Print(Session& session, const std::string& name) {
  HOMOLOG_ASSIGN_OR_RETURN(const Ablation ablation, session.client.GetAblation(name));
  session.output.PrintOne(ablation, ShowFields());
  return absl::OkStatus();
}

absl::StatusOr<v1::RunAblationRequest> RequestOf(const RunArguments& arguments) {
  v1::RunAblationRequest request;
  HOMOLOG_ASSIGN_OR_RETURN(*request.mutable_checkpoint(),
                           ExpandCheckpointName(arguments.checkpoint));
  HOMOLOG_ASSIGN_OR_RETURN(*request.mutable_dataset(), ExpandName(kDatasets, arguments.dataset));
  HOMOLOG_ASSIGN_OR_RETURN(*request.mutable_neurons(), ParseNeuronSet(arguments.neurons));
  request.set_kind(arguments.kind);
  return request;
}

absl::Status Run(Session& session, const RunArguments& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(const auto request, RequestOf(arguments));
  return Conclude(session, session.client.RunAblation(request), arguments.no_wait,
                  [&session](const auto& results) { return Print(session, results.front()); });
}

absl::Status List(Session& session, const NoArguments&) {
  HOMOLOG_ASSIGN_OR_RETURN(const auto list, session.client.ListAblations());
  session.output.PrintList(list, list.ablations(), ListFields());
  return absl::OkStatus();
}

absl::Status Show(Session& session, const NameArgument& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string name, ExpandName(kAblations, arguments.name));
  return Print(session, name);
}

void AddRun(CLI::App* noun, Action& chosen) {
  const auto [verb, arguments] =
      AddVerb<RunArguments>(noun, "run", "Measure the loss with neurons taken out", chosen, Run);
  Require(AddFlag(verb, "--checkpoint", &arguments->checkpoint, "Checkpoint to ablate"));
  Require(AddFlag(verb, "--dataset", &arguments->dataset, "Data set to measure on"));
  Require(AddFlag(verb, "--neurons", &arguments->neurons.neurons,
                  "universal, others, random or LAYER:INDEX,..."));
  AddFlag(verb, "--correlation", &arguments->neurons.correlation,
          "Correlation that says which neurons are universal");
  AddFlag(verb, "--threshold", &arguments->neurons.threshold,
          "Universal: excess correlation above this (default 0.5)");
  AddEnumFlag(verb, "--rule", &arguments->neurons.rule, "How partners are combined (default mean)");
  AddFlag(verb, "--draws", &arguments->neurons.draws, "Random sets to draw (default 5)");
  AddFlag(verb, "--seed", &arguments->neurons.seed, "Seed of the draws (default 0)");
  AddEnumFlag(verb, "--kind", &arguments->kind, "What replaces an activation (default zero)");
  AddFlag(verb, "--no-wait", &arguments->no_wait, "Print the operation and do not wait for it");
}

}  // namespace

void AddAblations(CLI::App& app, Action& chosen) {
  CLI::App* noun = AddNoun(app, "ablations", "What the loss does without some neurons");
  AddRun(noun, chosen);
  AddVerb<NoArguments>(noun, "list", "List the finished ablations", chosen, List);
  AddNameVerb(noun, "show", "Show one ablation", chosen, Show, "Ablation");
}

}  // namespace homolog::cli
