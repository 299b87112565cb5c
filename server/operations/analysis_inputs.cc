#include "server/operations/analysis_inputs.h"

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"

namespace homolog::operations {

v1::ModelShape ShapeProto(const engine::ModelShape& shape) {
  v1::ModelShape proto;
  proto.set_layers(shape.layers);
  proto.set_d_model(shape.d_model);
  proto.set_d_mlp(shape.d_mlp);
  proto.set_heads(shape.heads);
  proto.set_vocabulary_size(shape.vocabulary_size);
  proto.set_context_length(shape.context_length);
  return proto;
}

absl::StatusOr<checkpoints::CheckpointInfo> IdentifyCheckpoint(const AnalysisContext& context,
                                                               const std::string& name) {
  HOMOLOG_ASSIGN_OR_RETURN(const CheckpointName parsed, CheckpointName::Parse(name));
  return context.registry->Identify(parsed);
}

absl::StatusOr<checkpoints::CheckpointHandle> AcquireUnchanged(
    const AnalysisContext& context, const checkpoints::CheckpointInfo& identified) {
  HOMOLOG_ASSIGN_OR_RETURN(checkpoints::CheckpointHandle handle,
                           context.registry->Acquire(identified.name));
  if (handle->info.weights_sha256 != identified.weights_sha256 ||
      handle->info.config_sha256 != identified.config_sha256) {
    return FailedPrecondition(
        "CHECKPOINT_CHANGED",
        absl::StrCat("the files of ", identified.name.ToString(),
                     " changed on disk since the request came, weights from ",
                     identified.weights_sha256, " to ", handle->info.weights_sha256,
                     ", config.json from ", identified.config_sha256, " to ",
                     handle->info.config_sha256, "; ask again"),
        {{"checkpoint", identified.name.ToString()}});
  }
  return handle;
}

absl::Status CheckFits(const AnalysisContext& context,
                       const checkpoints::CheckpointInfo& checkpoint, const v1::Dataset& dataset) {
  const engine::ModelShape& shape = checkpoint.description->shape;
  const std::string name = checkpoint.name.ToString();
  const ErrorMetadata metadata = {{"checkpoint", name}, {"dataset", dataset.name()}};
  HOMOLOG_ASSIGN_OR_RETURN(const datasets::CheckpointTokenizer tokenizer,
                           context.tokenizers->Identify(checkpoint.folder, shape.vocabulary_size));
  if (tokenizer.digest != dataset.tokenizer_sha256()) {
    return InvalidArgument(
        "TOKENIZER_MISMATCH",
        absl::StrCat(dataset.name(), " was made with another tokenizer (", dataset.tokenizer(), " ",
                     dataset.tokenizer_sha256(), ") than that of ", name, " (", tokenizer.kind, " ",
                     tokenizer.digest, "); create a data set with this checkpoint"),
        metadata);
  }
  // Models that share a tokenizer pad their vocabulary differently.
  const int64_t max_id =
      dataset.has_max_token_id() ? dataset.max_token_id() : dataset.vocabulary_size() - 1;
  if (max_id >= shape.vocabulary_size) {
    return InvalidArgument(
        "VOCABULARY_MISMATCH",
        absl::StrCat(name, " has a vocabulary of ", shape.vocabulary_size, ", ", dataset.name(),
                     " holds the token id ", max_id, "; create a data set with this checkpoint"),
        metadata);
  }
  if (dataset.sequence_length() > shape.context_length) {
    return InvalidArgument(
        "SEQUENCE_TOO_LONG",
        absl::StrCat(dataset.name(), " has sequences of ", dataset.sequence_length(), " tokens, ",
                     name, " a context of ", shape.context_length,
                     "; create a data set with a sequence length of at most that"),
        metadata);
  }
  return absl::OkStatus();
}

absl::Status CheckMemory(const AnalysisContext& context, int64_t bytes) {
  if (bytes <= context.memory_budget_bytes) return absl::OkStatus();
  return ResourceExhausted(
      "MEMORY_BUDGET",
      absl::StrCat("the request needs ", bytes, " bytes of device memory, the budget is ",
                   context.memory_budget_bytes,
                   "; ask for fewer partners at once, or start the server with a larger "
                   "--memory-budget"),
      {{"needed_bytes", absl::StrCat(bytes)},
       {"budget_bytes", absl::StrCat(context.memory_budget_bytes)}});
}

void AddToDigest(std::string_view key, const checkpoints::CheckpointInfo& checkpoint,
                 results::RequestDigest& digest) {
  digest.Add(key, checkpoint.weights_sha256).Add("config", checkpoint.config_sha256);
}

v1::ResultCheckpoint ResultCheckpointProto(const checkpoints::CheckpointInfo& checkpoint) {
  v1::ResultCheckpoint proto;
  proto.set_name(checkpoint.name.ToString());
  proto.set_weights_sha256(checkpoint.weights_sha256);
  *proto.mutable_shape() = ShapeProto(checkpoint.description->shape);
  return proto;
}

}  // namespace homolog::operations
