#include <optional>

#include "client/cli/flags.h"
#include "client/cli/neuron_verbs.h"
#include "client/cli/nouns.h"
#include "common/error.h"
#include "common/resource_names.h"

namespace homolog::cli {
namespace {

using v1::Neuron;
using v1::QueryUniversalNeuronsRequest;
using v1::QueryUniversalNeuronsResponse;

constexpr int32_t kDefaultPageSize = 50;

struct QueryArguments {
  std::string correlation;
  std::optional<double> threshold;
  v1::UniversalityRule rule = v1::UNIVERSALITY_RULE_UNSPECIFIED;
  std::optional<int32_t> layer;
  std::string order_by;
  int32_t page_size = kDefaultPageSize;
  std::string page_token;
};

// The field's columns, by the names that published tables of universal neurons have.
Fields<Neuron> NeuronFields() {
  return Fields<Neuron>()
      .AddNumber("layer", [](const Neuron& n, Style) { return std::to_string(n.layer()); })
      .AddNumber("neuron", [](const Neuron& n, Style) { return std::to_string(n.neuron()); })
      .AddNumber("max_corr", [](const Neuron& n, Style s) { return RealText(n.max_corr(), s); })
      .AddNumber("max_sim_layer",
                 [](const Neuron& n, Style) { return std::to_string(n.max_sim_layer()); })
      .AddNumber("max_sim_neuron",
                 [](const Neuron& n, Style) { return std::to_string(n.max_sim_neuron()); })
      .AddNumber("min_corr", [](const Neuron& n, Style s) { return RealText(n.min_corr(), s); })
      .AddNumber("baseline", [](const Neuron& n, Style s) { return RealText(n.baseline(), s); })
      .AddNumber("excess_corr",
                 [](const Neuron& n, Style s) { return RealText(n.excess_corr(), s); });
}

Fields<Neuron> TableFields() {
  Fields<Neuron> fields = NeuronFields();
  fields.Add("max_sim_checkpoint",
             [](const Neuron& n, Style s) { return NameText(n.max_sim_checkpoint(), s); });
  return fields;
}

// With a column excess_corr_{model}/{step} per partner. The correlation says which there are: a
// query that finds no neuron has the same columns.
absl::StatusOr<Fields<Neuron>> CsvFields(Session& session, const std::string& correlation) {
  HOMOLOG_ASSIGN_OR_RETURN(const auto found, session.client.GetCorrelation(correlation));
  Fields<Neuron> fields = NeuronFields();
  for (int i = 0; i < found.partners_size(); ++i) {
    const std::string partner = NameText(found.partners(i).name(), Style::kShort);
    fields.AddNumber("excess_corr_" + partner, [i](const Neuron& n, Style s) {
      return i < n.partners_size() ? RealText(n.partners(i).excess_corr(), s) : "";
    });
  }
  return fields;
}

absl::StatusOr<QueryUniversalNeuronsRequest> RequestOf(const QueryArguments& arguments) {
  QueryUniversalNeuronsRequest request;
  HOMOLOG_ASSIGN_OR_RETURN(*request.mutable_correlation(),
                           ExpandName(kCorrelations, arguments.correlation));
  if (arguments.threshold) request.set_threshold(*arguments.threshold);
  request.set_rule(arguments.rule);
  if (arguments.layer) request.set_layer(*arguments.layer);
  request.set_order_by(arguments.order_by);
  request.set_page_size(arguments.page_size);
  request.set_page_token(arguments.page_token);
  return request;
}

// The one page that was asked for, or every page as one response.
absl::StatusOr<QueryUniversalNeuronsResponse> Fetch(Session& session,
                                                    const QueryUniversalNeuronsRequest& request) {
  if (request.page_size() != 0) return session.client.QueryUniversalNeurons(request);
  QueryUniversalNeuronsResponse all;
  HOMOLOG_RETURN_IF_ERROR(
      session.client.QueryEveryPage(request, [&all](const QueryUniversalNeuronsResponse& page) {
        all.MergeFrom(page);
        return absl::OkStatus();
      }));
  all.clear_next_page_token();
  return all;
}

// Says what a page leaves out.
void PrintNote(Session& session, const QueryUniversalNeuronsResponse& page) {
  if (page.next_page_token().empty()) return;
  session.err << page.neurons_size() << " of " << page.total_size()
              << " neurons; all of them: --page-size 0; the next ones: --page-token "
              << Printable(page.next_page_token()) << "\n";
}

absl::Status PrintCsv(Session& session, const QueryUniversalNeuronsRequest& request) {
  HOMOLOG_ASSIGN_OR_RETURN(const auto fields, CsvFields(session, request.correlation()));
  const auto print = [&](const QueryUniversalNeuronsResponse& page) {
    session.output.PrintList(page, page.neurons(), fields);
    return absl::OkStatus();
  };
  if (request.page_size() == 0) return session.client.QueryEveryPage(request, print);
  HOMOLOG_ASSIGN_OR_RETURN(const auto page, session.client.QueryUniversalNeurons(request));
  PrintNote(session, page);
  return print(page);
}

absl::Status Query(Session& session, const QueryArguments& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(const auto request, RequestOf(arguments));
  if (session.output.format() == Format::kCsv) return PrintCsv(session, request);
  HOMOLOG_ASSIGN_OR_RETURN(const auto response, Fetch(session, request));
  session.output.PrintList(response, response.neurons(), TableFields());
  if (session.output.format() == Format::kTable) PrintNote(session, response);
  return absl::OkStatus();
}

}  // namespace

void AddNeurons(CLI::App& app, Action& chosen) {
  CLI::App* noun = AddNoun(app, "neurons", "Universal neurons, one neuron, all neurons");
  const auto [verb, arguments] = AddVerb<QueryArguments>(
      noun, "query", "List a correlation's reference neurons by excess correlation", chosen, Query);
  Require(AddFlag(verb, "--correlation", &arguments->correlation, "Correlation to read"));
  AddFlag(verb, "--threshold", &arguments->threshold,
          "Only excess correlations above this, -2 to 2 (default 0.5); -2: every neuron");
  AddEnumFlag(verb, "--rule", &arguments->rule, "How partners are combined (default mean)");
  AddFlag(verb, "--layer", &arguments->layer, "Only neurons of this layer");
  AddFlag(verb, "--order-by", &arguments->order_by,
          "Columns, each with an optional desc, as \"layer,max_corr desc\" (default "
          "\"excess_corr desc\")");
  AddFlag(verb, "--page-size", &arguments->page_size,
          "Largest number of neurons to print (default 50); 0: all");
  AddFlag(verb, "--page-token", &arguments->page_token, "Continue after an earlier page");
  AddNeuronsShow(noun, chosen);
  AddNeuronsTable(noun, chosen);
}

}  // namespace homolog::cli
