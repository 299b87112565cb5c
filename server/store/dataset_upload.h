// A data set on its way into the store: token ids in chunks, then one commit.
//
// Thread-safety: belongs to one thread at a time. Destroyed without Commit, it leaves nothing (and
// what a crash left is purged when the store opens).
#ifndef HOMOLOG_SERVER_STORE_DATASET_UPLOAD_H_
#define HOMOLOG_SERVER_STORE_DATASET_UPLOAD_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/store.h"

namespace homolog {
class Sha256;
}  // namespace homolog

namespace homolog::store {

class DatasetUpload {
 public:
  // `store` outlives the upload.
  explicit DatasetUpload(Store* store);
  ~DatasetUpload();
  DatasetUpload(const DatasetUpload&) = delete;
  DatasetUpload& operator=(const DatasetUpload&) = delete;

  // Appends token ids; memory stays bounded by one chunk (256 Ki tokens). FAILED_PRECONDITION
  // (reason UPLOAD_FINISHED) after FinishTokens or Commit. After an error of the store the upload
  // is lost: every later call gives that error again.
  absl::Status Append(std::span<const int32_t> tokens);
  int64_t token_count() const { return token_count_; }
  // SHA-256 over all token ids as little-endian int32, in hexadecimal; ends the stream of tokens.
  // Called again, it gives the same.
  std::string FinishTokens();
  // Names the data set. ALREADY_EXISTS (reason DATASET_EXISTS) where `id` names different content
  // or a different manifest; the same id, content and manifest again is OK. Where `content_key`
  // (a digest over everything that identifies the content) is stored already, the tokens are
  // shared. Once per upload; after ALREADY_EXISTS another id may be tried.
  absl::Status Commit(std::string_view id, std::string_view content_key, std::string_view manifest);

 private:
  absl::Status CheckOpen() const;
  absl::Status WriteChunk();  // what is in chunk_; empties it
  absl::Status CommitLocked(std::string_view id, std::string_view content_key,
                            std::string_view manifest);
  void Discard();  // deletes the written chunks

  Store* store_;
  std::string upload_key_;      // where the chunks lie; a committed content points at it
  std::vector<int32_t> chunk_;  // not yet written
  int64_t chunks_written_ = 0;
  int64_t token_count_ = 0;
  std::unique_ptr<Sha256> sha256_;
  std::string digest_;    // empty until FinishTokens
  absl::Status failure_;  // of the store; final
  bool committed_ = false;
};

}  // namespace homolog::store

#endif  // HOMOLOG_SERVER_STORE_DATASET_UPLOAD_H_
