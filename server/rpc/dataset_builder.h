// A data set being uploaded: messages in, data set out.
//
// Thread-safety: belongs to one thread at a time. Destroyed before Finish, it leaves nothing.
#ifndef HOMOLOG_SERVER_RPC_DATASET_BUILDER_H_
#define HOMOLOG_SERVER_RPC_DATASET_BUILDER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/limits.h"
#include "homolog/v1/dataset.pb.h"
#include "homolog/v1/dataset_service.pb.h"
#include "server/checkpoints/registry.h"
#include "server/datasets/checkpoint_tokenizer.h"
#include "server/datasets/token_reader.h"
#include "server/datasets/tokenizer_cache.h"
#include "server/store/dataset_upload.h"
#include "server/store/store.h"

namespace homolog::rpc {

class DatasetBuilder {
 public:
  // All pointers outlive the builder. `cancelled` is asked now and then while a piece is worked on.
  DatasetBuilder(
      checkpoints::Registry* registry, datasets::TokenizerCache* tokenizers, store::Store* store,
      const Limits& limits = {}, std::function<bool()> cancelled = [] { return false; });

  // Takes the next message. Errors as DatasetService.CreateDataset says.
  absl::Status Add(const v1::CreateDatasetRequest& message);
  // No further message is needed: the end came, or max_tokens are there.
  bool complete() const { return complete_; }
  // Names the data set. INVALID_ARGUMENT (reason INCOMPLETE_UPLOAD) unless complete().
  absl::StatusOr<v1::Dataset> Finish();

 private:
  absl::Status Begin(const v1::DatasetSpec& spec);
  absl::Status AddData(const std::string& data);
  absl::Status End(const v1::UploadEnd& end);
  absl::Status AppendTokens(std::span<const int32_t> ids);
  absl::Status Enough(absl::Status status) const;
  v1::Dataset Manifest();

  checkpoints::Registry* const registry_;
  datasets::TokenizerCache* const tokenizers_;
  store::Store* const store_;
  const Limits limits_;
  const std::function<bool()> cancelled_;
  std::optional<v1::DatasetSpec> spec_;  // with every default filled in
  int64_t vocabulary_size_ = 0;
  datasets::CheckpointTokenizer tokenizer_;
  std::unique_ptr<datasets::TokenReader> reader_;
  store::DatasetUpload upload_;
  int32_t max_token_id_ = 0;
  int64_t received_bytes_ = 0;
  bool complete_ = false;
};

}  // namespace homolog::rpc

#endif  // HOMOLOG_SERVER_RPC_DATASET_BUILDER_H_
