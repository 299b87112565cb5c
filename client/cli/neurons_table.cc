// homolog neurons table
#include <optional>

#include "client/cli/exit_code.h"
#include "client/cli/flags.h"
#include "client/cli/interrupt.h"
#include "client/cli/neuron_verbs.h"
#include "client/cli/npy_folder.h"
#include "client/cli/progress.h"
#include "common/enum_text.h"
#include "common/error.h"
#include "common/resource_names.h"

namespace homolog::cli {
namespace {

struct TableArguments {
  std::string correlation;
  std::vector<std::string> columns;
  std::optional<int32_t> layer;
  std::string out;
};

absl::StatusOr<v1::GetNeuronTableRequest> RequestOf(const TableArguments& arguments) {
  v1::GetNeuronTableRequest request;
  HOMOLOG_ASSIGN_OR_RETURN(*request.mutable_correlation(),
                           ExpandName(kCorrelations, arguments.correlation));
  request.mutable_columns()->Add(arguments.columns.begin(), arguments.columns.end());
  if (arguments.layer) request.set_layer(*arguments.layer);
  return request;
}

// The files that were written, in the format that was asked for.
Fields<v1::NeuronColumn> FileFields(const std::string& folder, int64_t neurons) {
  using v1::NeuronColumn;
  return Fields<NeuronColumn>()
      .Add("column", [](const NeuronColumn& c, Style) { return c.name(); })
      .Add("type", [](const NeuronColumn& c, Style) { return EnumText(c.type()); })
      .AddNumber("neurons",
                 [neurons](const NeuronColumn&, Style) { return std::to_string(neurons); })
      .AddNumber("width", [](const NeuronColumn& c, Style) { return std::to_string(c.width()); })
      .Add("file",
           [folder](const NeuronColumn& c, Style) { return folder + "/" + c.name() + ".npy"; });
}

absl::Status WriteTable(Session& session, const TableArguments& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(const auto request, RequestOf(arguments));
  HOMOLOG_ASSIGN_OR_RETURN(const auto folder, NpyFolder::Create(arguments.out));
  const InterruptFlag interrupt;
  Progress progress(session.err, session.err_is_terminal, "neurons");
  HOMOLOG_RETURN_IF_ERROR(
      session.client.GetNeuronTableEveryPage(request, [&](const v1::GetNeuronTableResponse& page) {
        HOMOLOG_RETURN_IF_ERROR(folder->Take(page));
        progress.Update("writing", folder->summary().neuron_count(), page.total_size());
        return interrupt.IsSet() ? Interrupted() : absl::OkStatus();
      }));
  HOMOLOG_RETURN_IF_ERROR(folder->Finish());
  const v1::GetNeuronTableResponse& written = folder->summary();
  session.output.PrintList(written, written.columns(),
                           FileFields(arguments.out, written.neuron_count()));
  return absl::OkStatus();
}

}  // namespace

void AddNeuronsTable(CLI::App* noun, Action& chosen) {
  const auto [verb, arguments] = AddVerb<TableArguments>(
      noun, "table", "Write columns of all neurons of a reference, one .npy file each", chosen,
      WriteTable);
  Require(AddFlag(verb, "correlation", &arguments->correlation, "Correlation to read"));
  AddFlag(verb, "--columns", &arguments->columns,
          "Columns, as activation.mean,0.max_corr (default dead and every partner's max_corr, "
          "max_sim, min_corr, min_sim, baseline and baseline_std)");
  AddFlag(verb, "--layer", &arguments->layer, "Only neurons of this layer");
  Require(AddFlag(verb, "--out", &arguments->out, "Folder to write, new or empty"));
}

}  // namespace homolog::cli
