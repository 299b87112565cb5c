#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/flags.h"
#include "client/cli/follow.h"
#include "client/cli/nouns.h"
#include "client/cli/progress.h"
#include "client/cli/study_data.h"
#include "client/cli/study_sections.h"
#include "client/report/report.h"
#include "common/enum_text.h"
#include "common/error.h"
#include "common/resource_names.h"

namespace homolog::cli {
namespace {

using v1::Study;

struct RunArguments {
  std::vector<std::string> models, steps;
  std::string dataset;
  std::vector<double> thresholds;
  std::optional<double> main_threshold;
  v1::UniversalityRule rule = v1::UNIVERSALITY_RULE_UNSPECIFIED;
  v1::Site site = v1::SITE_UNSPECIFIED;
  v1::Baseline baseline = v1::BASELINE_UNSPECIFIED;
  int32_t rotations = 0;
  std::optional<uint64_t> seed;
  std::vector<int32_t> excluded_token_ids;
  v1::Precision precision = v1::PRECISION_UNSPECIFIED;
  bool same_index = false;
  bool no_ablations = false;
  v1::AblationKind kind = v1::ABLATION_KIND_UNSPECIFIED;
  std::optional<double> value;
  std::optional<int32_t> draws;
  std::optional<uint64_t> ablation_seed;
  std::string ablation_dataset;
  bool no_wait = false;
};

std::string ModelsText(const Study& study, Style style) {
  return absl::StrJoin(study.models(), ",", [style](std::string* out, const std::string& model) {
    *out += NameText(model, style);
  });
}

Fields<Study> ListFields() {
  return Fields<Study>()
      .Add("name", [](const Study& s, Style style) { return NameText(s.name(), style); })
      .Add("models", ModelsText)
      .Add("steps", [](const Study& s,
                       Style style) { return CutText(absl::StrJoin(s.steps(), ","), style); })
      .Add("dataset", [](const Study& s, Style style) { return NameText(s.dataset(), style); })
      .Add("rule", [](const Study& s, Style) { return EnumText(s.rule()); })
      .Add("thresholds", [](const Study& s, Style) { return absl::StrJoin(s.thresholds(), ","); })
      .Add("ablation",
           [](const Study& s, Style) {
             return s.ablation().skip() ? "none" : EnumText(s.ablation().kind());
           })
      .Add("create_time",
           [](const Study& s, Style style) { return TimeText(s.create_time(), style); });
}

Fields<Study> ShowFields() {
  return ListFields()
      .AddNumber("main_threshold",
                 [](const Study& s, Style) { return RealText(s.main_threshold(), Style::kExact); })
      .Add("same_index", [](const Study& s, Style) { return s.same_index() ? "yes" : "no"; })
      .Add("rotations",
           [](const Study& s, Style) { return std::to_string(s.parameters().rotations()); })
      .Add("seed", [](const Study& s, Style) { return std::to_string(s.parameters().seed()); })
      .Add("draws", [](const Study& s, Style) { return std::to_string(s.ablation().draws()); })
      .Add("dataset_sha256", [](const Study& s, Style) { return s.dataset_sha256(); })
      .Add("operation", [](const Study& s, Style style) { return NameText(s.operation(), style); })
      .Add("duration",
           [](const Study& s, Style style) { return DurationText(s.duration(), style); });
}

absl::Status Print(Session& session, const std::string& name) {
  HOMOLOG_ASSIGN_OR_RETURN(const Study study, session.client.GetStudy(name));
  session.output.PrintOne(study, ShowFields());
  if (session.output.format() != Format::kTable) return absl::OkStatus();
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<std::string> sections,
                           StudySections(session.client, study));
  for (const std::string& section : sections) session.output.PrintForPeople("\n" + section);
  return absl::OkStatus();
}

absl::StatusOr<v1::RunStudyRequest> RequestOf(const RunArguments& arguments) {
  v1::RunStudyRequest request;
  for (const std::string& model : arguments.models) {
    HOMOLOG_ASSIGN_OR_RETURN(*request.add_models(), ExpandName(kModels, model));
  }
  request.mutable_steps()->Add(arguments.steps.begin(), arguments.steps.end());
  HOMOLOG_ASSIGN_OR_RETURN(*request.mutable_dataset(), ExpandName(kDatasets, arguments.dataset));
  request.mutable_thresholds()->Add(arguments.thresholds.begin(), arguments.thresholds.end());
  if (arguments.main_threshold) request.set_main_threshold(*arguments.main_threshold);
  request.set_rule(arguments.rule);
  v1::CorrelationParameters& parameters = *request.mutable_parameters();
  parameters.set_site(arguments.site);
  parameters.set_baseline(arguments.baseline);
  parameters.set_rotations(arguments.rotations);
  parameters.set_seed(arguments.seed.value_or(0));
  parameters.set_precision(arguments.precision);
  parameters.mutable_excluded_token_ids()->Add(arguments.excluded_token_ids.begin(),
                                               arguments.excluded_token_ids.end());
  request.set_same_index(arguments.same_index);
  v1::StudyAblation& ablation = *request.mutable_ablation();
  ablation.set_skip(arguments.no_ablations);
  ablation.set_kind(arguments.kind);
  if (arguments.value) ablation.set_value(*arguments.value);
  ablation.set_draws(arguments.draws.value_or(0));
  ablation.set_seed(arguments.ablation_seed.value_or(0));
  if (!arguments.ablation_dataset.empty()) {
    HOMOLOG_ASSIGN_OR_RETURN(*ablation.mutable_dataset(),
                             ExpandName(kDatasets, arguments.ablation_dataset));
  }
  return request;
}

absl::Status Run(Session& session, const RunArguments& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(const auto request, RequestOf(arguments));
  return Conclude(session, session.client.RunStudy(request), arguments.no_wait,
                  [&session](const auto& results) { return Print(session, results.front()); });
}

absl::Status List(Session& session, const NoArguments&) {
  HOMOLOG_ASSIGN_OR_RETURN(const auto list, session.client.ListStudies());
  session.output.PrintList(list, list.studies(), ListFields());
  return absl::OkStatus();
}

absl::Status Show(Session& session, const NameArgument& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string name, ExpandName(kStudies, arguments.name));
  return Print(session, name);
}

struct ReportArguments {
  std::string name, out;
};

absl::Status Report(Session& session, const ReportArguments& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string name, ExpandName(kStudies, arguments.name));
  nlohmann::json data;
  {
    Progress progress(session.err, session.err_is_terminal, "parts");
    HOMOLOG_ASSIGN_OR_RETURN(
        data, FetchStudy(session.client, name, HOMOLOG_VERSION, [&](int64_t done, int64_t total) {
          progress.Update("fetching", done, total);
        }));
  }
  HOMOLOG_ASSIGN_OR_RETURN(const std::string page, report::WriteReport(data, arguments.out));
  session.output.PrintForPeople(page + "\n");
  return absl::OkStatus();
}

struct FamiliesArguments {
  std::string name, step;
  int32_t page_size = 0;
};

// The families of the step, or of the last one.
absl::StatusOr<std::string> FamiliesAt(const Study& study, const std::string& step) {
  for (const v1::StudyFamilies& part : study.parts().families()) {
    const bool is_last = part.step() == study.steps(study.steps_size() - 1);
    if (step.empty() ? is_last : part.step() == step) return part.families();
  }
  return InvalidArgument("INVALID_STEP", absl::StrCat("--step is ", step, "; the study has ",
                                                      absl::StrJoin(study.steps(), ", ")));
}

std::string MembersText(const v1::NeuronFamily& family, Style style) {
  return absl::StrJoin(family.members(), " ",
                       [style](std::string* out, const v1::FamilyMember& member) {
                         absl::StrAppend(out, NameText(member.checkpoint(), style), ":",
                                         member.layer(), ":", member.neuron());
                       });
}

absl::Status Families(Session& session, const FamiliesArguments& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string name, ExpandName(kStudies, arguments.name));
  HOMOLOG_ASSIGN_OR_RETURN(const Study study, session.client.GetStudy(name));
  v1::ListFamiliesRequest request;
  HOMOLOG_ASSIGN_OR_RETURN(*request.mutable_parent(), FamiliesAt(study, arguments.step));
  request.set_page_size(arguments.page_size);
  HOMOLOG_ASSIGN_OR_RETURN(const auto page, session.client.ListFamilies(request));
  using Family = v1::NeuronFamily;
  session.output.PrintList(
      page, page.families(),
      Fields<Family>()
          .AddNumber("family", [](const Family& f, Style) { return std::to_string(f.index()); })
          .AddNumber("size", [](const Family& f, Style) { return std::to_string(f.size()); })
          .AddNumber("models",
                     [](const Family& f, Style) { return std::to_string(f.model_count()); })
          .AddNumber("mean_excess",
                     [](const Family& f, Style s) { return RealText(f.mean_excess(), s); })
          .Add("members", MembersText));
  session.output.PrintForPeople(absl::StrCat(page.families_size(), " of ", page.total_size(),
                                             " families of ", request.parent(), "\n"));
  return absl::OkStatus();
}

struct LineageArguments {
  std::string name, checkpoint;
  int32_t layer = 0, neuron = 0;
};

absl::Status Lineage(Session& session, const LineageArguments& arguments) {
  v1::GetLineageRequest request;
  HOMOLOG_ASSIGN_OR_RETURN(*request.mutable_study(), ExpandName(kStudies, arguments.name));
  HOMOLOG_ASSIGN_OR_RETURN(const std::string full, ExpandCheckpointName(arguments.checkpoint));
  HOMOLOG_ASSIGN_OR_RETURN(const CheckpointName checkpoint, CheckpointName::Parse(full));
  request.set_model(FormatName(kModels, checkpoint.model));
  request.set_step(checkpoint.step);
  request.set_layer(arguments.layer);
  request.set_neuron(arguments.neuron);
  HOMOLOG_ASSIGN_OR_RETURN(const v1::Lineage lineage, session.client.GetLineage(request));
  using Point = v1::LineagePoint;
  session.output.PrintList(
      lineage, lineage.points(),
      Fields<Point>()
          .AddNumber("step", [](const Point& p, Style) { return p.step(); })
          .AddNumber("layer", [](const Point& p, Style) { return std::to_string(p.layer()); })
          .AddNumber("neuron", [](const Point& p, Style) { return std::to_string(p.neuron()); })
          .AddNumber("corr", [](const Point& p, Style s) { return RealText(p.corr(), s); })
          .AddNumber("excess_corr",
                     [](const Point& p, Style s) { return RealText(p.excess_corr(), s); })
          .Add("universal", [](const Point& p, Style) { return p.universal() ? "yes" : "no"; }));
  return absl::OkStatus();
}

void AddCorrelationFlags(CLI::App* verb, RunArguments* arguments) {
  AddEnumFlag(verb, "--site", &arguments->site, "Where neurons are read (default mlp_post)");
  AddEnumFlag(verb, "--baseline", &arguments->baseline,
              "Random matrix of the baseline (default gaussian)");
  AddFlag(verb, "--rotations", &arguments->rotations,
          "Random matrices per partner layer (default 1)");
  AddFlag(verb, "--seed", &arguments->seed, "Seed of the random matrices (default 0)");
  AddFlag(verb, "--exclude-token-ids", &arguments->excluded_token_ids,
          "Token ids whose positions are not counted, as 0,50256");
  AddEnumFlag(verb, "--precision", &arguments->precision,
              "How activations are multiplied (default float32)");
  AddFlag(verb, "--same-index", &arguments->same_index,
          "Also pair neurons of the same place, at the last step");
}

void AddAblationFlags(CLI::App* verb, RunArguments* arguments) {
  AddFlag(verb, "--no-ablations", &arguments->no_ablations, "Ablate nothing");
  AddEnumFlag(verb, "--kind", &arguments->kind,
              "What replaces an ablated activation (default zero)");
  AddFlag(verb, "--value", &arguments->value, "Of --kind fixed and threshold: the value");
  AddFlag(verb, "--ablation-dataset", &arguments->ablation_dataset,
          "Data set to measure ablations on (default --dataset)");
  AddFlag(verb, "--draws", &arguments->draws, "Random sets to draw (default 5)");
  AddFlag(verb, "--ablation-seed", &arguments->ablation_seed,
          "Seed of the draws and of --kind resample (default 0)");
}

void AddRun(CLI::App* noun, Action& chosen) {
  const auto [verb, arguments] = AddVerb<RunArguments>(
      noun, "run", "Correlate, follow and ablate the neurons of models over training", chosen, Run);
  Require(AddFlag(verb, "--models", &arguments->models, "Models to compare, as a,b,c"));
  Require(AddFlag(verb, "--steps", &arguments->steps,
                  "Training steps that every model has, as 0,100,200"));
  Require(AddFlag(verb, "--dataset", &arguments->dataset, "Data set to run all of them on"));
  AddFlag(verb, "--thresholds", &arguments->thresholds,
          "Universal: excess correlation above these (default 0.4,0.5,0.6)");
  AddFlag(verb, "--main-threshold", &arguments->main_threshold,
          "The one for layers, families and lineages (default 0.5, else the middle one)");
  AddEnumFlag(verb, "--rule", &arguments->rule, "How partners are combined (default mean)");
  AddCorrelationFlags(verb, arguments);
  AddAblationFlags(verb, arguments);
  AddFlag(verb, "--no-wait", &arguments->no_wait, "Print the operation and do not wait for it");
}

}  // namespace

void AddStudies(CLI::App& app, Action& chosen) {
  CLI::App* noun = AddNoun(app, "studies", "Universal neurons over models and training steps");
  AddRun(noun, chosen);
  AddVerb<NoArguments>(noun, "list", "List the finished studies", chosen, List);
  AddNameVerb(noun, "show", "Show one study", chosen, Show, "Study");
  const auto [report_verb, report_arguments] = AddVerb<ReportArguments>(
      noun, "report", "Write a study as a page with figures, and as tables", chosen, Report);
  Require(AddFlag(report_verb, "name", &report_arguments->name, "Study"));
  Require(AddFlag(report_verb, "--out", &report_arguments->out, "Folder to write to"));
  const auto [families_verb, families_arguments] = AddVerb<FamiliesArguments>(
      noun, "families", "List neurons that models have in common, family by family", chosen,
      Families);
  Require(AddFlag(families_verb, "name", &families_arguments->name, "Study"));
  AddFlag(families_verb, "--step", &families_arguments->step, "Training step (default the last)");
  AddFlag(families_verb, "--page-size", &families_arguments->page_size,
          "Most families to list (default 100)");
  const auto [lineage_verb, lineage_arguments] = AddVerb<LineageArguments>(
      noun, "lineage", "Follow one neuron over the steps of its model", chosen, Lineage);
  Require(AddFlag(lineage_verb, "name", &lineage_arguments->name, "Study"));
  Require(AddFlag(lineage_verb, "checkpoint", &lineage_arguments->checkpoint,
                  "Checkpoint of the neuron, as a/100"));
  Require(AddFlag(lineage_verb, "layer", &lineage_arguments->layer, "Layer, from 0"));
  Require(AddFlag(lineage_verb, "neuron", &lineage_arguments->neuron, "Index, from 0"));
}

}  // namespace homolog::cli
