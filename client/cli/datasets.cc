#include "client/cli/flags.h"
#include "client/cli/nouns.h"
#include "client/cli/progress.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "google/protobuf/empty.pb.h"

namespace homolog::cli {
namespace {

using v1::Dataset;

struct CreateArguments {
  std::string name;
  std::string text;
  std::string jsonl;
  std::string tokens;
  std::string checkpoint;
  int64_t sequence_length = 0;
  int64_t max_tokens = 0;
};

Fields<Dataset> DatasetFields() {
  return Fields<Dataset>()
      .Add("name", [](const Dataset& d, Style s) { return NameText(d.name(), s); })
      .Add("tokenizer", [](const Dataset& d, Style) { return d.tokenizer(); })
      .AddNumber("vocabulary_size",
                 [](const Dataset& d, Style) { return std::to_string(d.vocabulary_size()); })
      .AddNumber("token_count",
                 [](const Dataset& d, Style) { return std::to_string(d.token_count()); })
      .AddNumber("sequence_length",
                 [](const Dataset& d, Style) { return std::to_string(d.sequence_length()); })
      .AddNumber("sequence_count",
                 [](const Dataset& d, Style) { return std::to_string(d.sequence_count()); })
      .AddNumber("document_count",
                 [](const Dataset& d, Style) { return std::to_string(d.document_count()); })
      .AddNumber("tail_tokens",
                 [](const Dataset& d, Style) { return std::to_string(d.tail_tokens()); })
      .Add("create_time", [](const Dataset& d, Style s) { return TimeText(d.create_time(), s); });
}

Fields<Dataset> ShowFields() {
  Fields<Dataset> fields = DatasetFields();
  fields.Add("tokenizer_sha256", [](const Dataset& d, Style) { return d.tokenizer_sha256(); });
  fields.Add("sha256", [](const Dataset& d, Style) { return d.sha256(); });
  return fields;
}

struct Source {
  std::string path;
  v1::UploadFormat format;
};

// The command line has exactly one.
Source SourceOf(const CreateArguments& arguments) {
  if (!arguments.jsonl.empty()) return {arguments.jsonl, v1::UPLOAD_FORMAT_JSONL};
  if (!arguments.tokens.empty()) return {arguments.tokens, v1::UPLOAD_FORMAT_NPY};
  return {arguments.text, v1::UPLOAD_FORMAT_TEXT};
}

absl::StatusOr<v1::DatasetSpec> SpecOf(const CreateArguments& arguments) {
  v1::DatasetSpec spec;
  HOMOLOG_ASSIGN_OR_RETURN(const std::string name, ExpandName(kDatasets, arguments.name));
  HOMOLOG_ASSIGN_OR_RETURN(*spec.mutable_dataset_id(), ParseName(kDatasets, name));
  HOMOLOG_ASSIGN_OR_RETURN(*spec.mutable_checkpoint(), ExpandCheckpointName(arguments.checkpoint));
  spec.set_sequence_length(arguments.sequence_length);
  spec.set_max_tokens(arguments.max_tokens);
  spec.set_format(SourceOf(arguments).format);
  return spec;
}

absl::StatusOr<Dataset> Upload(Session& session, const v1::DatasetSpec& spec,
                               const std::string& path) {
  Progress progress(session.err, session.err_is_terminal, "bytes");
  return session.client.CreateDataset(spec, path, [&progress](int64_t sent, int64_t total) {
    progress.Update("uploading", sent, total);
  });
}

absl::Status Create(Session& session, const CreateArguments& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(const v1::DatasetSpec spec, SpecOf(arguments));
  HOMOLOG_ASSIGN_OR_RETURN(const Dataset dataset, Upload(session, spec, SourceOf(arguments).path));
  session.output.PrintOne(dataset, ShowFields());
  return absl::OkStatus();
}

absl::Status List(Session& session, const NoArguments&) {
  HOMOLOG_ASSIGN_OR_RETURN(const auto list, session.client.ListDatasets());
  session.output.PrintList(list, list.datasets(), DatasetFields());
  return absl::OkStatus();
}

absl::Status Show(Session& session, const NameArgument& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string name, ExpandName(kDatasets, arguments.name));
  HOMOLOG_ASSIGN_OR_RETURN(const Dataset dataset, session.client.GetDataset(name));
  session.output.PrintOne(dataset, ShowFields());
  return absl::OkStatus();
}

absl::Status Delete(Session& session, const NameArgument& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string name, ExpandName(kDatasets, arguments.name));
  HOMOLOG_RETURN_IF_ERROR(session.client.DeleteDataset(name));
  session.output.PrintJson(google::protobuf::Empty());
  session.output.PrintForPeople("deleted " + name + "\n");
  return absl::OkStatus();
}

void AddCreate(CLI::App* noun, Action& chosen) {
  const auto [verb, arguments] = AddVerb<CreateArguments>(
      noun, "create", "Upload text or token ids as a data set", chosen, Create);
  Require(AddFlag(verb, "name", &arguments->name, "Name to give"));
  CLI::App* source = AddOneOfGroup(verb, "Source: one of");
  AddFlag(source, "--text", &arguments->text, "Plain text file: one document (.gz, .zst too)");
  AddFlag(source, "--jsonl", &arguments->jsonl,
          "JSON lines, each with a \"text\": a document a line (.gz, .zst too)");
  AddFlag(source, "--tokens", &arguments->tokens, "NumPy .npy file of token ids (.gz, .zst too)");
  Require(AddFlag(verb, "--checkpoint", &arguments->checkpoint,
                  "Checkpoint that brings the tokenizer and the default sequence length"));
  AddFlag(verb, "--sequence-length", &arguments->sequence_length,
          "Tokens per sequence; 0: the checkpoint's context length");
  AddFlag(verb, "--max-tokens", &arguments->max_tokens, "Keep the first N tokens; 0: all");
}

}  // namespace

void AddDatasets(CLI::App& app, Action& chosen) {
  CLI::App* noun = AddNoun(app, "datasets", "Token ids to run models on");
  AddCreate(noun, chosen);
  AddVerb<NoArguments>(noun, "list", "List the data sets", chosen, List);
  AddNameVerb(noun, "show", "Show one data set", chosen, Show, "Data set");
  AddNameVerb(noun, "delete", "Delete a data set; results computed from it stay", chosen, Delete,
              "Data set");
}

}  // namespace homolog::cli
