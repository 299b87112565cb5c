#include "server/rpc/dataset_builder.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "server/results/request_digest.h"

namespace homolog::rpc {
namespace {

constexpr size_t kLargestPiece = 4 << 20;

absl::StatusOr<const datasets::Tokenizer*> NeedTokenizer(
    const std::string& checkpoint, const datasets::CheckpointTokenizer& tokenizer) {
  if (tokenizer.tokenizer != nullptr) return tokenizer.tokenizer.get();
  return FailedPrecondition("NO_TOKENIZER",
                            absl::StrCat(checkpoint, " has no tokenizer: ", tokenizer.why_none,
                                         "; upload token ids (.npy) instead"),
                            {{"checkpoint", checkpoint}});
}

absl::StatusOr<std::unique_ptr<datasets::TokenReader>> MakeReader(
    v1::UploadFormat format, int64_t vocabulary_size, const std::string& checkpoint,
    const datasets::CheckpointTokenizer& tokenizer) {
  switch (format) {
    case v1::UPLOAD_FORMAT_UNSPECIFIED:
    case v1::UPLOAD_FORMAT_TEXT: {
      HOMOLOG_ASSIGN_OR_RETURN(const datasets::Tokenizer* text,
                               NeedTokenizer(checkpoint, tokenizer));
      return datasets::MakeTextReader(*text);
    }
    case v1::UPLOAD_FORMAT_JSONL: {
      HOMOLOG_ASSIGN_OR_RETURN(const datasets::Tokenizer* text,
                               NeedTokenizer(checkpoint, tokenizer));
      return datasets::MakeJsonlReader(*text);
    }
    case v1::UPLOAD_FORMAT_NPY:
      return datasets::MakeNpyReader(vocabulary_size);
    default:
      return InvalidArgument("INVALID_FORMAT", absl::StrCat("format is ", static_cast<int>(format),
                                                            "; must be TEXT, NPY or JSONL"));
  }
}

absl::Status FillSequenceLength(const Limits& limits, int64_t context_length,
                                v1::DatasetSpec& spec) {
  if (spec.sequence_length() == 0) spec.set_sequence_length(context_length);
  const int64_t length = spec.sequence_length();
  if (length < 2 || length > context_length) {
    return InvalidArgument(
        "INVALID_SEQUENCE_LENGTH",
        absl::StrCat("sequence_length is ", length, "; must be 0 (the context length) or 2 to ",
                     context_length, ", the context length of ", spec.checkpoint()));
  }
  if (length <= limits.sequence_length) return absl::OkStatus();
  return InvalidArgument("INVALID_SEQUENCE_LENGTH",
                         absl::StrCat("sequence_length is ", length, "; this server takes 2 to ",
                                      limits.sequence_length, " tokens"));
}

}  // namespace

DatasetBuilder::DatasetBuilder(checkpoints::Registry* registry,
                               datasets::TokenizerCache* tokenizers, store::Store* store,
                               const Limits& limits, std::function<bool()> cancelled)
    : registry_(registry),
      tokenizers_(tokenizers),
      store_(store),
      limits_(limits),
      cancelled_(std::move(cancelled)),
      upload_(store) {}

absl::Status DatasetBuilder::Add(const v1::CreateDatasetRequest& message) {
  switch (message.part_case()) {
    case v1::CreateDatasetRequest::kSpec:
      return Begin(message.spec());
    case v1::CreateDatasetRequest::kData:
      return AddData(message.data());
    case v1::CreateDatasetRequest::kEnd:
      return End(message.end());
    default:
      return InvalidArgument("EMPTY_MESSAGE",
                             "a message of the upload is empty; set spec, data or end");
  }
}

absl::Status DatasetBuilder::Begin(const v1::DatasetSpec& spec) {
  if (spec_) {
    return InvalidArgument("DUPLICATE_SPEC", "the spec came twice; send it once, first");
  }
  HOMOLOG_RETURN_IF_ERROR(ValidateResourceId("data set", spec.dataset_id()));
  HOMOLOG_ASSIGN_OR_RETURN(const CheckpointName name, CheckpointName::Parse(spec.checkpoint()));
  HOMOLOG_ASSIGN_OR_RETURN(const checkpoints::CheckpointInfo checkpoint, registry_->Describe(name));
  if (!checkpoint.description) {
    return FailedPrecondition(
        "CHECKPOINT_INVALID",
        absl::StrCat(spec.checkpoint(), " cannot be read: ", checkpoint.state_message));
  }
  if (spec.max_tokens() < 0) {
    return InvalidArgument("INVALID_MAX_TOKENS", absl::StrCat("max_tokens is ", spec.max_tokens(),
                                                              "; must be 0 (all) or more"));
  }
  const engine::ModelShape& shape = checkpoint.description->shape;
  v1::DatasetSpec complete = spec;
  HOMOLOG_RETURN_IF_ERROR(FillSequenceLength(limits_, shape.context_length, complete));
  vocabulary_size_ = shape.vocabulary_size;
  HOMOLOG_ASSIGN_OR_RETURN(tokenizer_, tokenizers_->Open(checkpoint.folder, vocabulary_size_));
  HOMOLOG_ASSIGN_OR_RETURN(
      std::unique_ptr<datasets::TokenReader> reader,
      MakeReader(spec.format(), vocabulary_size_, spec.checkpoint(), tokenizer_));
  reader_ = datasets::MakeDecompressingReader(
      datasets::MakeLimitedReader(std::move(reader), limits_.upload_bytes));
  spec_ = std::move(complete);
  return absl::OkStatus();
}

absl::Status DatasetBuilder::AddData(const std::string& data) {
  if (!spec_) {
    return InvalidArgument("MISSING_SPEC", "data came before the spec; send the spec first");
  }
  if (data.size() > kLargestPiece) {
    return InvalidArgument("PIECE_TOO_LARGE", absl::StrCat("a piece of data has ", data.size(),
                                                           " bytes; at most ", kLargestPiece));
  }
  received_bytes_ += static_cast<int64_t>(data.size());
  if (received_bytes_ > limits_.upload_bytes) {
    return datasets::UploadTooLarge("bytes as sent", limits_.upload_bytes);
  }
  return Enough(
      reader_->Feed(data, [this](std::span<const int32_t> ids) { return AppendTokens(ids); }));
}

absl::Status DatasetBuilder::End(const v1::UploadEnd& end) {
  if (!spec_) return InvalidArgument("MISSING_SPEC", "the upload has no spec; send it first");
  if (end.size_bytes() != received_bytes_) {
    return InvalidArgument("INCOMPLETE_UPLOAD",
                           absl::StrCat("the upload says that it has ", end.size_bytes(),
                                        " bytes, ", received_bytes_, " came; send it again"));
  }
  HOMOLOG_RETURN_IF_ERROR(
      Enough(reader_->Finish([this](std::span<const int32_t> ids) { return AppendTokens(ids); })));
  complete_ = true;
  return absl::OkStatus();
}

// With max_tokens there, the status that stopped the reader is no error.
absl::Status DatasetBuilder::Enough(absl::Status status) const {
  return complete_ ? absl::OkStatus() : status;
}

absl::Status DatasetBuilder::AppendTokens(std::span<const int32_t> ids) {
  if (cancelled_()) return absl::CancelledError("the client went away");
  bool enough = false;
  if (const int64_t most = spec_->max_tokens(); most > 0) {
    const auto room = static_cast<size_t>(most - upload_.token_count());
    enough = ids.size() >= room;
    ids = ids.first(std::min(ids.size(), room));
  }
  const int64_t tokens = upload_.token_count() + static_cast<int64_t>(ids.size());
  if (tokens > limits_.upload_bytes / static_cast<int64_t>(sizeof(int32_t))) {
    return datasets::UploadTooLarge("bytes of tokens, 4 each", limits_.upload_bytes);
  }
  HOMOLOG_RETURN_IF_ERROR(upload_.Append(ids));
  for (const int32_t id : ids) max_token_id_ = std::max(max_token_id_, id);
  if (!enough) return absl::OkStatus();
  complete_ = true;
  return absl::CancelledError("max_tokens are there");  // stops the reader
}

v1::Dataset DatasetBuilder::Manifest() {
  v1::Dataset dataset;
  const int64_t tokens = upload_.token_count(), length = spec_->sequence_length();
  dataset.set_name(FormatName(kDatasets, spec_->dataset_id()));
  dataset.set_tokenizer(tokenizer_.kind);
  dataset.set_tokenizer_sha256(tokenizer_.digest);
  dataset.set_vocabulary_size(vocabulary_size_);
  dataset.set_token_count(tokens);
  dataset.set_sequence_length(length);
  dataset.set_sequence_count(tokens / length);
  dataset.set_tail_tokens(tokens % length);
  dataset.set_max_token_id(max_token_id_);
  dataset.set_document_count(reader_->documents());
  return dataset;
}

absl::StatusOr<v1::Dataset> DatasetBuilder::Finish() {
  if (!complete_) {
    return InvalidArgument("INCOMPLETE_UPLOAD",
                           "the upload stopped before its end message; send it again");
  }
  v1::Dataset dataset = Manifest();
  if (dataset.sequence_count() == 0) {
    return InvalidArgument(
        "DATASET_TOO_SHORT",
        absl::StrCat("the upload gives ", dataset.token_count(),
                     " tokens, which do not fill one "
                     "sequence of ",
                     dataset.sequence_length(), "; send more or choose a smaller sequence_length"));
  }
  const std::string tokens_sha256 = upload_.FinishTokens();
  results::RequestDigest digest("dataset/1");
  dataset.set_sha256(digest.Add("tokenizer", dataset.tokenizer_sha256())
                         .Add("sequence_length", static_cast<int64_t>(dataset.sequence_length()))
                         .Add("tokens", tokens_sha256)
                         .Finish());
  // The same content again is what is there, with the time it was first created.
  if (const absl::StatusOr<std::string> stored = store_->GetDataset(spec_->dataset_id());
      stored.ok()) {
    v1::Dataset existing;
    if (existing.ParseFromString(*stored) && existing.sha256() == dataset.sha256()) return existing;
  }
  *dataset.mutable_create_time() = google::protobuf::util::TimeUtil::GetCurrentTime();
  HOMOLOG_RETURN_IF_ERROR(
      upload_.Commit(spec_->dataset_id(), tokens_sha256, dataset.SerializeAsString()));
  return dataset;
}

}  // namespace homolog::rpc
