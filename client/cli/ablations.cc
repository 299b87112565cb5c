#include <optional>

#include "client/cli/flags.h"
#include "client/cli/follow.h"
#include "client/cli/neuron_set.h"
#include "client/cli/nouns.h"
#include "client/cli/table.h"
#include "common/enum_text.h"
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
  std::optional<double> value;
  std::optional<uint64_t> positions_seed;
  bool per_layer = false;
  bool no_wait = false;
};

// Effects may be small: nats with 6 decimals.
std::string NatsText(double nats, Style style) { return RealText(nats, style, 6); }

std::string ThresholdText(const Ablation& ablation) {
  const v1::UniversalNeurons* universal = UniversalOf(ablation.neurons());
  if (universal == nullptr || !universal->has_threshold()) return "";
  return RealText(universal->threshold(), Style::kExact);
}

// A value of an effect, "" where there is none.
template <double (AblationEffect::*kValue)() const>
std::string EffectText(const Ablation& ablation, Style style) {
  return ablation.has_effect() ? NatsText((ablation.effect().*kValue)(), style) : "";
}

template <double (AblationEffect::*kValue)() const>
std::string StdText(const Ablation& ablation, Style style) {
  return ablation.has_effect_std() ? NatsText((ablation.effect_std().*kValue)(), style) : "";
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
      .Add("scope", [](const Ablation& a, Style) { return EnumText(a.scope()); })
      .AddNumber("neuron_count",
                 [](const Ablation& a, Style) {
                   return a.has_effect() ? std::to_string(a.effect().neuron_count()) : "";
                 })
      .AddNumber("clean_loss",
                 [](const Ablation& a, Style s) { return NatsText(a.clean_loss(), s); })
      .AddNumber("loss_increase", EffectText<&AblationEffect::loss_increase>)
      .AddNumber("kl", EffectText<&AblationEffect::kl>);
}

Fields<Ablation> ShowFields() {
  return ListFields()
      .Add("loss_increase_error", EffectText<&AblationEffect::loss_increase_error>)
      .Add("kl_error", EffectText<&AblationEffect::kl_error>)
      .Add("loss_increase_std", StdText<&AblationEffect::loss_increase>)
      .Add("kl_std", StdText<&AblationEffect::kl>)
      .Add("ablated_loss", EffectText<&AblationEffect::ablated_loss>)
      .Add("entropy_change", EffectText<&AblationEffect::entropy_change>)
      .Add("top1_agreement", EffectText<&AblationEffect::top1_agreement>)
      .Add("draws", [](const Ablation& a, Style) { return std::to_string(a.draws_size()); })
      .Add("value",
           [](const Ablation& a, Style s) { return a.has_value() ? RealText(a.value(), s) : ""; })
      .Add("predicted_positions",
           [](const Ablation& a, Style) { return std::to_string(a.predicted_positions()); })
      .Add("correlation",
           [](const Ablation& a, Style s) {
             const v1::UniversalNeurons* universal = UniversalOf(a.neurons());
             return universal == nullptr ? "" : NameText(universal->correlation(), s);
           })
      .Add("operation", [](const Ablation& a, Style s) { return NameText(a.operation(), s); })
      .Add("create_time", [](const Ablation& a, Style s) { return TimeText(a.create_time(), s); })
      .Add("duration", [](const Ablation& a, Style s) { return DurationText(a.duration(), s); });
}

std::string LayersText(const Ablation& ablation) {
  Table table{{{"layer", true},
               {"neuron_count", true},
               {"draws", true},
               {"loss_increase", true},
               {"loss_increase_error", true},
               {"loss_increase_std", true},
               {"kl", true},
               {"kl_error", true},
               {"kl_std", true}},
              {}};
  for (const v1::LayerEffect& layer : ablation.layers()) {
    std::vector<std::string> row = {std::to_string(layer.layer())};
    if (layer.has_effect()) {
      auto std_text = [&](double nats) {
        return layer.has_effect_std() ? NatsText(nats, Style::kShort) : "";
      };
      const AblationEffect &effect = layer.effect(), &deviation = layer.effect_std();
      row.insert(row.end(),
                 {std::to_string(effect.neuron_count()), std::to_string(layer.draws_size()),
                  NatsText(effect.loss_increase(), Style::kShort),
                  NatsText(effect.loss_increase_error(), Style::kShort),
                  std_text(deviation.loss_increase()), NatsText(effect.kl(), Style::kShort),
                  NatsText(effect.kl_error(), Style::kShort), std_text(deviation.kl())});
    }
    row.resize(table.columns.size());
    table.rows.push_back(std::move(row));
  }
  return AlignedTable(table);
}

absl::Status Print(Session& session, const std::string& name) {
  HOMOLOG_ASSIGN_OR_RETURN(const Ablation ablation, session.client.GetAblation(name));
  session.output.PrintOne(ablation, ShowFields());
  if (!ablation.layers().empty()) session.output.PrintForPeople("\n" + LayersText(ablation));
  return absl::OkStatus();
}

absl::Status PrintAll(Session& session, const std::vector<std::string>& names) {
  if (names.size() == 1) return Print(session, names.front());
  v1::ListAblationsResponse list;
  for (const std::string& name : names) {
    HOMOLOG_ASSIGN_OR_RETURN(*list.add_ablations(), session.client.GetAblation(name));
  }
  session.output.PrintList(list, list.ablations(),
                           session.output.format() == Format::kTable ? ListFields() : ShowFields());
  return absl::OkStatus();
}

absl::StatusOr<v1::RunAblationRequest> RequestOf(const RunArguments& arguments) {
  v1::RunAblationRequest request;
  // A family says by itself where its neurons are.
  if (!arguments.checkpoint.empty() || arguments.neurons.families.empty()) {
    HOMOLOG_ASSIGN_OR_RETURN(*request.mutable_checkpoint(),
                             ExpandCheckpointName(arguments.checkpoint));
  }
  HOMOLOG_ASSIGN_OR_RETURN(*request.mutable_dataset(), ExpandName(kDatasets, arguments.dataset));
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<v1::NeuronSet> sets,
                           ParseNeuronSets(arguments.neurons));
  request.mutable_neurons()->Add(sets.begin(), sets.end());
  request.set_kind(arguments.kind);
  if (arguments.value) request.set_value(*arguments.value);
  request.set_seed(arguments.positions_seed.value_or(0));
  if (arguments.per_layer) request.set_scope(v1::ABLATION_SCOPE_PER_LAYER);
  return request;
}

absl::Status Run(Session& session, const RunArguments& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(const auto request, RequestOf(arguments));
  return Conclude(session, session.client.RunAblation(request), arguments.no_wait,
                  [&session](const auto& results) { return PrintAll(session, results); });
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
  const auto [verb, arguments] = AddVerb<RunArguments>(
      noun, "run", "Measure the loss with activations of neurons replaced", chosen, Run);
  AddFlag(verb, "--checkpoint", &arguments->checkpoint,
          "Checkpoint to ablate (default with families: all that they have neurons in)");
  Require(AddFlag(verb, "--dataset", &arguments->dataset, "Data set to measure on"));
  Require(AddFlag(verb, "--neurons", &arguments->neurons.neurons,
                  "universal, others, random, random_layer_matched, family:N (several: by commas) "
                  "or LAYER:INDEX,..."));
  AddFlag(verb, "--correlation", &arguments->neurons.correlation,
          "Correlation that says which neurons are universal");
  AddFlag(verb, "--threshold", &arguments->neurons.thresholds,
          "Universal: excess correlation above this; several: a set for each (default 0.5)");
  AddEnumFlag(verb, "--rule", &arguments->neurons.rule, "How partners are combined (default mean)");
  AddFlag(verb, "--draws", &arguments->neurons.draws, "Random sets to draw (default 5)");
  AddFlag(verb, "--seed", &arguments->neurons.seed, "Seed of the draws (default 0)");
  AddFlag(verb, "--families", &arguments->neurons.families, "Families that family:N is of");
  AddEnumFlag(verb, "--kind", &arguments->kind, "What replaces an activation (default zero)");
  AddFlag(verb, "--value", &arguments->value, "Of --kind fixed and threshold: the value");
  AddFlag(verb, "--positions-seed", &arguments->positions_seed,
          "Of --kind resample: seed of the positions (default 0)");
  AddFlag(verb, "--per-layer", &arguments->per_layer, "One layer after the other");
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
