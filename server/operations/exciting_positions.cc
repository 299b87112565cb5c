#include "server/operations/exciting_positions.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "common/text.h"
#include "server/operations/stored_tokens.h"
#include "server/results/neuron_detail.h"

namespace homolog::operations {
namespace {

constexpr int32_t kDefaultContext = 16, kMostContext = 128;
// Longer than the tokens of any language; an added token may have any length.
constexpr size_t kMostTokenBytes = 256;
constexpr std::string_view kReplacement = "\uFFFD";

using Positions = google::protobuf::RepeatedPtrField<v1::ExcitingPosition>;

absl::StatusOr<int64_t> ContextOf(const v1::GetNeuronRequest& request) {
  if (!request.has_context_tokens()) return kDefaultContext;
  if (request.context_tokens() < 0 || request.context_tokens() > kMostContext) {
    return InvalidArgument("INVALID_CONTEXT",
                           absl::StrCat("context_tokens is ", request.context_tokens(),
                                        "; must be 0 to ", kMostContext),
                           {{"context_tokens", absl::StrCat(request.context_tokens())}});
  }
  return request.context_tokens();
}

// The data set that the correlation was computed on; nothing where it is not there any more.
absl::StatusOr<std::optional<v1::Dataset>> FindDataset(const store::Store& store,
                                                       const v1::Correlation& correlation) {
  absl::StatusOr<v1::Dataset> dataset = ReadDataset(store, correlation.dataset());
  if (absl::IsNotFound(dataset.status())) return std::nullopt;
  HOMOLOG_RETURN_IF_ERROR(dataset.status());
  if (dataset->sha256() != correlation.dataset_sha256()) return std::nullopt;
  return *std::move(dataset);
}

absl::Status ReadContext(const store::Store& store, const std::string& dataset_id,
                         const v1::Dataset& dataset, int64_t context, v1::ExcitingPosition& out) {
  const int64_t length = dataset.sequence_length();
  if (out.position() < 0 || out.position() >= dataset.sequence_count() * length) {
    return DataLoss("DAMAGED_RESULT",
                    absl::StrCat("the stored result names position ", out.position(), " of ",
                                 dataset.name(), ", which has ", dataset.sequence_count(),
                                 " sequences of ", length, "; ask for the correlation again"));
  }
  const int64_t sequence = out.position() / length;
  const int64_t begin = std::max(sequence * length, out.position() - context);
  const int64_t end = std::min((sequence + 1) * length, out.position() + context + 1);
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                           store.ReadTokens(dataset_id, begin, end - begin));
  out.set_sequence(sequence);
  out.mutable_token_ids()->Add(ids.begin(), ids.end());
  out.set_token_index(static_cast<int32_t>(out.position() - begin));
  return absl::OkStatus();
}

// Leaves `positions` as they are where the data set changes meanwhile.
absl::Status ReadContexts(const store::Store& store, const v1::Dataset& dataset, int64_t context,
                          Positions& positions) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kDatasets, dataset.name()));
  Positions with_tokens = positions;
  absl::Status status;
  for (v1::ExcitingPosition& position : with_tokens) {
    status.Update(ReadContext(store, id, dataset, context, position));
  }
  if (!CheckUnchanged(store, dataset).ok()) return absl::OkStatus();
  HOMOLOG_RETURN_IF_ERROR(status);
  positions = std::move(with_tokens);
  return absl::OkStatus();
}

// The tokenizer that made the data set, from the reference's folder; null where it is not there.
std::shared_ptr<const datasets::Tokenizer> FindTokenizer(const AnalysisContext& context,
                                                         const v1::Correlation& correlation,
                                                         const v1::Dataset& dataset) {
  const absl::StatusOr<CheckpointName> name = CheckpointName::Parse(correlation.reference().name());
  if (!name.ok()) return nullptr;
  const absl::StatusOr<checkpoints::CheckpointInfo> info = context.registry->Describe(*name);
  if (!info.ok() || !info->description) return nullptr;
  const absl::StatusOr<datasets::CheckpointTokenizer> found =
      context.tokenizers->Open(info->folder, info->description->shape.vocabulary_size);
  if (!found.ok() || found->digest != dataset.tokenizer_sha256()) return nullptr;
  return found->tokenizer;
}

// One token may be a part of a character, and ids that pad a model's vocabulary have no text.
std::string TokenText(const datasets::Tokenizer& tokenizer, int32_t id) {
  const absl::StatusOr<std::string> bytes = tokenizer.Decode({id});
  if (!bytes.ok()) return std::string(kReplacement);
  return CutUtf8(ValidUtf8(*bytes, kReplacement), kMostTokenBytes);
}

void AddText(const datasets::Tokenizer& tokenizer, Positions& positions) {
  std::map<int32_t, std::string> texts;
  for (v1::ExcitingPosition& position : positions) {
    for (const int32_t id : position.token_ids()) {
      std::string& text = texts[id];
      if (text.empty()) text = TokenText(tokenizer, id);
      position.add_tokens(text);
    }
  }
}

}  // namespace

absl::StatusOr<v1::NeuronDetail> DescribeNeuron(const AnalysisContext& context,
                                                const v1::GetNeuronRequest& request) {
  HOMOLOG_ASSIGN_OR_RETURN(const int64_t context_tokens, ContextOf(request));
  HOMOLOG_ASSIGN_OR_RETURN(results::NeuronDetail found,
                           results::GetNeuron(*context.store, request));
  Positions& positions = *found.detail.mutable_exciting_positions();
  HOMOLOG_ASSIGN_OR_RETURN(const std::optional<v1::Dataset> dataset,
                           FindDataset(*context.store, found.manifest));
  if (!dataset) return std::move(found.detail);
  HOMOLOG_RETURN_IF_ERROR(ReadContexts(*context.store, *dataset, context_tokens, positions));
  const auto tokenizer = FindTokenizer(context, found.manifest, *dataset);
  if (tokenizer != nullptr) AddText(*tokenizer, positions);
  return std::move(found.detail);
}

}  // namespace homolog::operations
