// homolog neurons show
#include <algorithm>
#include <cmath>
#include <optional>

#include "client/cli/flags.h"
#include "client/cli/neuron_verbs.h"
#include "common/error.h"
#include "common/resource_names.h"

namespace homolog::cli {
namespace {

using v1::NeuronDetail;

// Of each partner's 50.
constexpr int kShownNeurons = 5;

struct ShowArguments {
  std::string correlation;
  int32_t layer = 0;
  int32_t neuron = 0;
  v1::UniversalityRule rule = v1::UNIVERSALITY_RULE_UNSPECIFIED;
  std::optional<double> threshold;
  std::optional<int32_t> context_tokens;
};

absl::StatusOr<v1::GetNeuronRequest> RequestOf(const ShowArguments& arguments) {
  v1::GetNeuronRequest request;
  HOMOLOG_ASSIGN_OR_RETURN(*request.mutable_correlation(),
                           ExpandName(kCorrelations, arguments.correlation));
  request.set_layer(arguments.layer);
  request.set_neuron(arguments.neuron);
  request.set_rule(arguments.rule);
  if (arguments.threshold) request.set_threshold(*arguments.threshold);
  if (arguments.context_tokens) request.set_context_tokens(*arguments.context_tokens);
  return request;
}

std::string YesNo(bool value) { return value ? "yes" : "no"; }

// A number of `of`(detail).
template <typename Of>
Fields<NeuronDetail>::Text Real(Of of) {
  return [of](const NeuronDetail& d, Style s) { return RealText(of(d), s); };
}

// The same in the activations' own unit, which may be any.
template <typename Of>
Fields<NeuronDetail>::Text Activation(Of of) {
  return [of](const NeuronDetail& d, Style s) { return SignificantText(of(d), s); };
}

Fields<NeuronDetail> NeuronFields() {
  return Fields<NeuronDetail>()
      .Add("layer", [](const NeuronDetail& d, Style) { return std::to_string(d.neuron().layer()); })
      .Add("neuron",
           [](const NeuronDetail& d, Style) { return std::to_string(d.neuron().neuron()); })
      .Add("universal", [](const NeuronDetail& d, Style) { return YesNo(d.neuron().universal()); })
      .Add("dead", [](const NeuronDetail& d, Style) { return YesNo(d.neuron().dead()); })
      .Add("excess_corr", Real([](const NeuronDetail& d) { return d.neuron().excess_corr(); }))
      .Add("max_corr", Real([](const NeuronDetail& d) { return d.neuron().max_corr(); }))
      .Add("min_corr", Real([](const NeuronDetail& d) { return d.neuron().min_corr(); }))
      .Add("baseline", Real([](const NeuronDetail& d) { return d.neuron().baseline(); }))
      .Add("mean", Activation([](const NeuronDetail& d) { return d.statistics().mean(); }))
      .Add("variance", Activation([](const NeuronDetail& d) { return d.statistics().variance(); }))
      .Add("skew", Activation([](const NeuronDetail& d) { return d.statistics().skew(); }))
      .Add("kurtosis", Activation([](const NeuronDetail& d) { return d.statistics().kurtosis(); }))
      .Add("active_share", [](const NeuronDetail& d,
                              Style s) { return ShareText(d.statistics().active_share(), s); })
      .Add("minimum", Activation([](const NeuronDetail& d) { return d.statistics().minimum(); }))
      .Add("maximum", Activation([](const NeuronDetail& d) { return d.statistics().maximum(); }));
}

// "3:17 0.9134, 2:8 0.4410": the first few.
std::string NeuronsText(const google::protobuf::RepeatedPtrField<v1::CorrelatedNeuron>& neurons) {
  std::string text;
  for (int i = 0; i < std::min(kShownNeurons, neurons.size()); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(neurons[i].layer()) + ":" +
            std::to_string(neurons[i].neuron()) + " " + RealText(neurons[i].corr(), Style::kShort);
  }
  return text;
}

Table PartnersTable(const v1::Neuron& neuron) {
  Table table{{{"partner"},
               {"max_corr", true},
               {"max_sim", true},
               {"min_corr", true},
               {"min_sim", true},
               {"baseline", true},
               {"excess_corr", true}},
              {}};
  for (const v1::NeuronPartner& p : neuron.partners()) {
    const auto real = [](double value) { return RealText(value, Style::kShort); };
    const auto place = [](int32_t layer, int32_t index) {
      return std::to_string(layer) + ":" + std::to_string(index);
    };
    table.rows.push_back({NameText(p.checkpoint(), Style::kShort), real(p.max_corr()),
                          place(p.max_sim_layer(), p.max_sim_neuron()), real(p.min_corr()),
                          place(p.min_sim_layer(), p.min_sim_neuron()), real(p.baseline()),
                          real(p.excess_corr())});
  }
  return table;
}

Table DistributionsTable(const NeuronDetail& detail) {
  Table table{{{"partner"},
               {"mean", true},
               {"std", true},
               {"skew", true},
               {"kurtosis", true},
               {"most alike (layer:neuron corr)"}},
              {}};
  for (const v1::PartnerDistribution& d : detail.distributions()) {
    const auto real = [](double value) { return RealText(value, Style::kShort); };
    table.rows.push_back({NameText(d.checkpoint(), Style::kShort), real(d.mean()),
                          real(std::sqrt(d.variance())), real(d.skew()), real(d.kurtosis()),
                          NeuronsText(d.top())});
  }
  return table;
}

// The tokens, or where their text is not known their ids, with the exciting one marked.
std::string ContextText(const v1::ExcitingPosition& position) {
  const bool text = position.tokens_size() == position.token_ids_size();
  std::string context;
  for (int i = 0; i < position.token_ids_size(); ++i) {
    const std::string token = text ? position.tokens(i) : std::to_string(position.token_ids(i));
    context += i == position.token_index() ? "[[" + token + "]]" : token;
    if (!text) context += ' ';
  }
  // Shown in one line; other control characters become '?'.
  for (char& c : context) {
    if (c == '\n' || c == '\t' || c == '\r') c = ' ';
  }
  return context;
}

Table PositionsTable(const NeuronDetail& detail) {
  Table table{{{"activation", true}, {"sequence", true}, {"position", true}, {"context"}}, {}};
  for (const v1::ExcitingPosition& position : detail.exciting_positions()) {
    table.rows.push_back({SignificantText(position.activation(), Style::kShort),
                          std::to_string(position.sequence()), std::to_string(position.position()),
                          ContextText(position)});
  }
  return table;
}

absl::Status Show(Session& session, const ShowArguments& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(const auto request, RequestOf(arguments));
  HOMOLOG_ASSIGN_OR_RETURN(const NeuronDetail detail, session.client.GetNeuron(request));
  session.output.PrintOne(detail, NeuronFields());
  for (const Table& table :
       {PartnersTable(detail.neuron()), DistributionsTable(detail), PositionsTable(detail)}) {
    if (!table.rows.empty()) session.output.PrintForPeople("\n" + AlignedTable(table));
  }
  return absl::OkStatus();
}

}  // namespace

void AddNeuronsShow(CLI::App* noun, Action& chosen) {
  const auto [verb, arguments] = AddVerb<ShowArguments>(
      noun, "show", "Show one neuron: its activations, who is like it, what excites it", chosen,
      Show);
  Require(AddFlag(verb, "correlation", &arguments->correlation, "Correlation to read"));
  Require(AddFlag(verb, "layer", &arguments->layer, "Layer of the reference, from 0"));
  Require(AddFlag(verb, "neuron", &arguments->neuron, "Index in its layer, from 0"));
  AddEnumFlag(verb, "--rule", &arguments->rule, "How partners are combined (default mean)");
  AddFlag(verb, "--threshold", &arguments->threshold,
          "Excess correlation above which a neuron is universal, -2 to 2 (default 0.5)");
  AddFlag(verb, "--context-tokens", &arguments->context_tokens,
          "Tokens shown before and after each exciting position, 0 to 128 (default 16)");
}

}  // namespace homolog::cli
