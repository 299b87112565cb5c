#include <cmath>
#include <optional>

#include "absl/strings/str_join.h"
#include "client/cli/correlation_sections.h"
#include "client/cli/flags.h"
#include "client/cli/follow.h"
#include "client/cli/nouns.h"
#include "common/enum_text.h"
#include "common/error.h"
#include "common/resource_names.h"

namespace homolog::cli {
namespace {

using v1::Correlation;
using v1::UniversalShare;

struct ComputeArguments {
  std::string reference;
  std::vector<std::string> partners;
  std::string dataset;
  v1::Site site = v1::SITE_UNSPECIFIED;
  v1::Pairing pairing = v1::PAIRING_UNSPECIFIED;
  v1::Baseline baseline = v1::BASELINE_UNSPECIFIED;
  int32_t rotations = 0;
  std::optional<uint64_t> seed;
  std::vector<int32_t> excluded_token_ids;
  v1::Precision precision = v1::PRECISION_UNSPECIFIED;
  bool every_reference = false;
  bool no_wait = false;
};

std::string PartnersText(const Correlation& correlation, Style style) {
  return absl::StrJoin(correlation.partners(), ",", [style](std::string* out, const auto& partner) {
    *out += NameText(partner.name(), style);
  });
}

// The share by the mean rule at a threshold of kTenths / 10, or "" where the server reports none.
template <int kTenths>
std::string MeanShareText(const Correlation& correlation, Style style) {
  for (const UniversalShare& share : correlation.universal_shares()) {
    if (share.rule() != v1::UNIVERSALITY_RULE_MEAN) continue;
    if (std::abs(10 * share.threshold() - kTenths) < 1e-6) {
      return ShareText(share.universal_share(), style);
    }
  }
  return "";
}

Fields<Correlation> ListFields() {
  return Fields<Correlation>()
      .Add("name", [](const Correlation& c, Style s) { return NameText(c.name(), s); })
      .Add("reference",
           [](const Correlation& c, Style s) { return NameText(c.reference().name(), s); })
      .Add("partners", PartnersText)
      .Add("dataset", [](const Correlation& c, Style s) { return NameText(c.dataset(), s); })
      .Add("site", [](const Correlation& c, Style) { return EnumText(c.parameters().site()); })
      .Add("pairing",
           [](const Correlation& c, Style) { return EnumText(c.parameters().pairing()); })
      .Add("baseline",
           [](const Correlation& c, Style) { return EnumText(c.parameters().baseline()); })
      .AddNumber("universal_share_0.4", MeanShareText<4>)
      .AddNumber("universal_share_0.5", MeanShareText<5>)
      .AddNumber("universal_share_0.6", MeanShareText<6>)
      .Add("create_time",
           [](const Correlation& c, Style s) { return TimeText(c.create_time(), s); });
}

Fields<Correlation> ShowFields() {
  return ListFields()
      .Add("rotations",
           [](const Correlation& c, Style) { return std::to_string(c.parameters().rotations()); })
      .Add("seed",
           [](const Correlation& c, Style) { return std::to_string(c.parameters().seed()); })
      .Add("counted_positions",
           [](const Correlation& c, Style) { return std::to_string(c.counted_positions()); })
      .Add("excluded_positions",
           [](const Correlation& c, Style) { return std::to_string(c.excluded_positions()); })
      .Add("dead_neurons",
           [](const Correlation& c, Style) { return std::to_string(c.reference().dead_neurons()); })
      .Add("dataset_sha256", [](const Correlation& c, Style) { return c.dataset_sha256(); })
      .Add("operation", [](const Correlation& c, Style s) { return NameText(c.operation(), s); })
      .Add("duration", [](const Correlation& c, Style s) { return DurationText(c.duration(), s); });
}

Table SharesTable(const Correlation& correlation) {
  Table table{{{"rule"},
               {"threshold", true},
               {"universal_count", true},
               {"universal_share", true},
               {"layer_counts"}},
              {}};
  for (const UniversalShare& share : correlation.universal_shares()) {
    table.rows.push_back({EnumText(share.rule()), RealText(share.threshold(), Style::kExact),
                          std::to_string(share.universal_count()),
                          ShareText(share.universal_share(), Style::kShort),
                          absl::StrJoin(share.layer_counts(), " ")});
  }
  return table;
}

void PrintSections(Session& session, const Correlation& correlation) {
  session.output.PrintForPeople("\n" + AlignedTable(SharesTable(correlation)));
  for (const std::string& section : CorrelationSections(correlation)) {
    session.output.PrintForPeople("\n" + section);
  }
}

absl::Status Print(Session& session, const std::string& name) {
  HOMOLOG_ASSIGN_OR_RETURN(const Correlation correlation, session.client.GetCorrelation(name));
  session.output.PrintOne(correlation, ShowFields());
  PrintSections(session, correlation);
  return absl::OkStatus();
}

// Several as a list, for people one after the other.
absl::Status PrintAll(Session& session, const std::vector<std::string>& names) {
  if (names.size() == 1) return Print(session, names.front());
  v1::ListCorrelationsResponse list;
  for (const std::string& name : names) {
    HOMOLOG_ASSIGN_OR_RETURN(*list.add_correlations(), session.client.GetCorrelation(name));
  }
  if (session.output.format() != Format::kTable) {
    session.output.PrintList(list, list.correlations(), ShowFields());
    return absl::OkStatus();
  }
  for (const Correlation& correlation : list.correlations()) {
    session.output.PrintOne(correlation, ShowFields());
    PrintSections(session, correlation);
    session.output.PrintForPeople("\n");
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::ComputeCorrelationsRequest> RequestOf(const ComputeArguments& arguments) {
  v1::ComputeCorrelationsRequest request;
  HOMOLOG_ASSIGN_OR_RETURN(*request.mutable_reference(), ExpandCheckpointName(arguments.reference));
  for (const std::string& partner : arguments.partners) {
    HOMOLOG_ASSIGN_OR_RETURN(*request.add_partners(), ExpandCheckpointName(partner));
  }
  HOMOLOG_ASSIGN_OR_RETURN(*request.mutable_dataset(), ExpandName(kDatasets, arguments.dataset));
  v1::CorrelationParameters& parameters = *request.mutable_parameters();
  parameters.set_site(arguments.site);
  parameters.set_pairing(arguments.pairing);
  parameters.set_baseline(arguments.baseline);
  parameters.set_rotations(arguments.rotations);
  parameters.set_seed(arguments.seed.value_or(0));
  parameters.set_precision(arguments.precision);
  request.set_every_reference(arguments.every_reference);
  parameters.mutable_excluded_token_ids()->Add(arguments.excluded_token_ids.begin(),
                                               arguments.excluded_token_ids.end());
  return request;
}

absl::Status Compute(Session& session, const ComputeArguments& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(const auto request, RequestOf(arguments));
  return Conclude(session, session.client.ComputeCorrelations(request), arguments.no_wait,
                  [&session](const auto& results) { return PrintAll(session, results); });
}

absl::Status List(Session& session, const NoArguments&) {
  HOMOLOG_ASSIGN_OR_RETURN(const auto list, session.client.ListCorrelations());
  session.output.PrintList(list, list.correlations(), ListFields());
  return absl::OkStatus();
}

absl::Status Show(Session& session, const NameArgument& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string name, ExpandName(kCorrelations, arguments.name));
  return Print(session, name);
}

void AddCompute(CLI::App* noun, Action& chosen) {
  const auto [verb, arguments] = AddVerb<ComputeArguments>(
      noun, "compute", "Correlate a checkpoint's neurons with those of others", chosen, Compute);
  Require(AddFlag(verb, "--reference", &arguments->reference,
                  "Checkpoint whose neurons are asked about"));
  Require(
      AddFlag(verb, "--partners", &arguments->partners, "Checkpoints to compare with, as b/1,c/1"));
  Require(AddFlag(verb, "--dataset", &arguments->dataset, "Data set to run all of them on"));
  AddEnumFlag(verb, "--site", &arguments->site, "Where neurons are read (default mlp_post)");
  AddEnumFlag(verb, "--pairing", &arguments->pairing,
              "Which neurons of a partner count (default best)");
  AddEnumFlag(verb, "--baseline", &arguments->baseline,
              "Random matrix of the baseline (default gaussian)");
  AddFlag(verb, "--rotations", &arguments->rotations,
          "Random matrices per partner layer (default 1)");
  AddFlag(verb, "--seed", &arguments->seed, "Seed of the random matrices (default 0)");
  AddFlag(verb, "--excluded-token-ids", &arguments->excluded_token_ids,
          "Positions with these token ids are not counted");
  AddEnumFlag(verb, "--precision", &arguments->precision,
              "How activations are multiplied (default float32)");
  AddFlag(verb, "--every-reference", &arguments->every_reference,
          "Every checkpoint named is the reference in turn: as many correlations as checkpoints");
  AddFlag(verb, "--no-wait", &arguments->no_wait, "Print the operation and do not wait for it");
}

}  // namespace

void AddCorrelations(CLI::App& app, Action& chosen) {
  CLI::App* noun = AddNoun(app, "correlations", "Which neurons of other models are alike");
  AddCompute(noun, chosen);
  AddVerb<NoArguments>(noun, "list", "List the finished correlations", chosen, List);
  AddNameVerb(noun, "show", "Show one correlation, with its shares of universal neurons", chosen,
              Show, "Correlation");
}

}  // namespace homolog::cli
