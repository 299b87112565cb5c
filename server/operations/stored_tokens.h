// A stored data set as an analysis reads it.
//
// Thread-safety: immutable; reads may come from any thread.
#ifndef HOMOLOG_SERVER_OPERATIONS_STORED_TOKENS_H_
#define HOMOLOG_SERVER_OPERATIONS_STORED_TOKENS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "homolog/v1/dataset.pb.h"
#include "server/analysis/token_sequences.h"
#include "server/store/store.h"

namespace homolog::operations {

// The manifest of `name` (datasets/{dataset}). NOT_FOUND (reason DATASET_NOT_FOUND), DATA_LOSS.
absl::StatusOr<v1::Dataset> ReadDataset(const store::Store& store, const std::string& name);

// FAILED_PRECONDITION (reason DATASET_CHANGED) where the name no longer stands for the content of
// `dataset`: asked after a computation that read it.
absl::Status CheckUnchanged(const store::Store& store, const v1::Dataset& dataset);

class StoredTokens : public analysis::TokenSequences {
 public:
  // `store` outlives the tokens.
  StoredTokens(const store::Store& store, std::string dataset_id, const v1::Dataset& manifest);

  int64_t sequence_count() const override { return sequence_count_; }
  int64_t sequence_length() const override { return sequence_length_; }
  // FAILED_PRECONDITION (DATASET_CHANGED) for an id outside the manifest's vocabulary.
  absl::StatusOr<at::Tensor> Read(int64_t first, int64_t count) const override;

 private:
  const store::Store& store_;
  const std::string dataset_id_, dataset_name_;
  const int64_t vocabulary_size_, sequence_count_, sequence_length_;
};

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_STORED_TOKENS_H_
