#include "server/operations/stored_tokens.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"

namespace homolog::operations {
namespace {

absl::Status Changed(const std::string& dataset) {
  return FailedPrecondition(
      "DATASET_CHANGED",
      absl::StrCat(dataset, " was replaced by other content while it was read; ask again"),
      {{"dataset", dataset}});
}

}  // namespace

absl::StatusOr<v1::Dataset> ReadDataset(const store::Store& store, const std::string& name) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kDatasets, name));
  HOMOLOG_ASSIGN_OR_RETURN(const std::string bytes, store.GetDataset(id));
  v1::Dataset dataset;
  if (!dataset.ParseFromString(bytes)) {
    return DataLoss("DAMAGED_DATASET",
                    absl::StrCat("the manifest of ", name,
                                 " cannot be read; delete the data set and upload it again"),
                    {{"dataset", name}});
  }
  return dataset;
}

absl::Status CheckUnchanged(const store::Store& store, const v1::Dataset& dataset) {
  HOMOLOG_ASSIGN_OR_RETURN(const v1::Dataset current, ReadDataset(store, dataset.name()));
  if (current.sha256() == dataset.sha256()) return absl::OkStatus();
  return Changed(dataset.name());
}

StoredTokens::StoredTokens(const store::Store& store, std::string dataset_id,
                           const v1::Dataset& manifest)
    : store_(store),
      dataset_id_(std::move(dataset_id)),
      dataset_name_(manifest.name()),
      vocabulary_size_(manifest.vocabulary_size()),
      sequence_count_(manifest.sequence_count()),
      sequence_length_(manifest.sequence_length()) {}

absl::StatusOr<at::Tensor> StoredTokens::Read(int64_t first, int64_t count) const {
  HOMOLOG_ASSIGN_OR_RETURN(
      std::vector<int32_t> ids,
      store_.ReadTokens(dataset_id_, first * sequence_length_, count * sequence_length_));
  // Under the same name there may be another data set by now, and an id outside the vocabulary
  // would take a CUDA device down with it.
  const auto wrong = std::find_if(ids.begin(), ids.end(),
                                  [this](int32_t id) { return id < 0 || id >= vocabulary_size_; });
  if (wrong != ids.end()) return Changed(dataset_name_);
  return at::from_blob(ids.data(), {count, sequence_length_}, at::kInt).to(at::kLong);
}

}  // namespace homolog::operations
