#include "client/cli/activations_file.h"
#include "client/cli/exit_code.h"
#include "client/cli/flags.h"
#include "client/cli/interrupt.h"
#include "client/cli/nouns.h"
#include "client/cli/progress.h"
#include "common/enum_text.h"
#include "common/error.h"
#include "common/resource_names.h"

namespace homolog::cli {
namespace {

struct ExtractArguments {
  std::string checkpoint;
  std::string dataset;
  std::vector<int32_t> layers;
  std::vector<int32_t> neurons;
  v1::Site site = v1::SITE_UNSPECIFIED;
  v1::DataType data_type = v1::DATA_TYPE_UNSPECIFIED;
  std::string out;
};

absl::StatusOr<v1::ExtractActivationsRequest> RequestOf(const ExtractArguments& arguments) {
  v1::ExtractActivationsRequest request;
  HOMOLOG_ASSIGN_OR_RETURN(*request.mutable_checkpoint(),
                           ExpandCheckpointName(arguments.checkpoint));
  HOMOLOG_ASSIGN_OR_RETURN(*request.mutable_dataset(), ExpandName(kDatasets, arguments.dataset));
  request.mutable_layers()->Add(arguments.layers.begin(), arguments.layers.end());
  request.mutable_neurons()->Add(arguments.neurons.begin(), arguments.neurons.end());
  request.set_site(arguments.site);
  request.set_data_type(arguments.data_type);
  return request;
}

// What came, in the format that was asked for.
Fields<v1::ActivationsHeader> SummaryFields(const std::string& path) {
  using v1::ActivationsHeader;
  return Fields<ActivationsHeader>()
      .Add("file", [path](const ActivationsHeader&, Style) { return path; })
      .Add("site", [](const ActivationsHeader& h, Style) { return EnumText(h.site()); })
      .Add("data_type", [](const ActivationsHeader& h, Style) { return EnumText(h.data_type()); })
      .Add("layers",
           [](const ActivationsHeader& h, Style) { return std::to_string(h.layers_size()); })
      .Add("positions",
           [](const ActivationsHeader& h, Style) { return std::to_string(h.positions()); })
      .Add("neurons",
           [](const ActivationsHeader& h, Style) { return std::to_string(h.neurons_size()); });
}

absl::Status Extract(Session& session, const ExtractArguments& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(const auto request, RequestOf(arguments));
  const InterruptFlag interrupt;
  Progress progress(session.err, session.err_is_terminal, "bytes");
  ActivationsFile file(arguments.out,
                       {{"checkpoint", request.checkpoint()}, {"dataset", request.dataset()}},
                       [&](int64_t written, int64_t total) {
                         progress.Update("extracting", written, total);
                         return interrupt.IsSet() ? Interrupted() : absl::OkStatus();
                       });
  HOMOLOG_RETURN_IF_ERROR(session.client.ExtractActivations(request, file));
  HOMOLOG_RETURN_IF_ERROR(file.Finish());
  session.output.PrintOne(file.header(), SummaryFields(arguments.out));
  return absl::OkStatus();
}

}  // namespace

void AddActivations(CLI::App& app, Action& chosen) {
  CLI::App* noun = AddNoun(app, "activations", "What neurons do on a data set");
  const auto [verb, arguments] = AddVerb<ExtractArguments>(
      noun, "extract", "Write activations to a safetensors file, a tensor SITE.LAYER per layer",
      chosen, Extract);
  Require(AddFlag(verb, "--checkpoint", &arguments->checkpoint, "Checkpoint to run"));
  Require(AddFlag(verb, "--dataset", &arguments->dataset, "Data set to run it on"));
  AddFlag(verb, "--layers", &arguments->layers, "Layers, ascending, as 0,2; without: all");
  AddFlag(verb, "--neurons", &arguments->neurons,
          "Neurons of each layer, ascending, as 5,9; without: all");
  AddEnumFlag(verb, "--site", &arguments->site, "Where neurons are read (default mlp_post)");
  AddEnumFlag(verb, "--data-type", &arguments->data_type, "Element type (default float32)");
  Require(AddFlag(verb, "--out", &arguments->out, "File to write"));
}

}  // namespace homolog::cli
