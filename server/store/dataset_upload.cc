#include "server/store/dataset_upload.h"

#include <algorithm>
#include <bit>
#include <mutex>
#include <optional>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "common/text.h"
#include "rocksdb/write_batch.h"
#include "server/store/database.h"
#include "server/store/dataset_records.h"
#include "server/store/sealed.h"

namespace homolog::store {
namespace {

// Chunks are the tokens' own bytes in memory.
static_assert(std::endian::native == std::endian::little);

std::string_view BytesOf(std::span<const int32_t> tokens) {
  return {reinterpret_cast<const char*>(tokens.data()), tokens.size_bytes()};
}

absl::Status DatasetExists(std::string_view id, const std::string& what) {
  return AlreadyExists("DATASET_EXISTS",
                       absl::StrCat("the data set ", Quoted(id), " exists with ", what,
                                    "; choose another name, or delete it first"),
                       {{"dataset", std::string(id)}});
}

// A fault of the caller's content key, not of what a client sent.
absl::Status ContentKeyConflict(std::string_view content_key, int64_t stored, int64_t uploaded) {
  return MakeError(absl::StatusCode::kInternal, "CONTENT_KEY_CONFLICT",
                   absl::StrCat("the content key ", Quoted(content_key), " stands for ", stored,
                                " tokens, not for the ", uploaded,
                                " uploaded; a content key must differ where the tokens do"),
                   {{"content_key", std::string(content_key)}});
}

}  // namespace

DatasetUpload::DatasetUpload(Store* store)
    : store_(store), upload_key_(NewUploadKey()), sha256_(std::make_unique<Sha256>()) {}

DatasetUpload::~DatasetUpload() {
  if (!committed_) Discard();
}

absl::Status DatasetUpload::CheckOpen() const {
  HOMOLOG_RETURN_IF_ERROR(failure_);
  if (!committed_) return absl::OkStatus();
  return FailedPrecondition("UPLOAD_FINISHED",
                            "the upload is committed; start another for more tokens");
}

absl::Status DatasetUpload::Append(std::span<const int32_t> tokens) {
  HOMOLOG_RETURN_IF_ERROR(CheckOpen());
  if (!digest_.empty()) {
    return FailedPrecondition("UPLOAD_FINISHED",
                              "the upload's tokens are finished; append before FinishTokens");
  }
  sha256_->Update(BytesOf(tokens));
  token_count_ += static_cast<int64_t>(tokens.size());
  while (!tokens.empty()) {
    const size_t room = kChunkTokens - chunk_.size();
    const auto part = tokens.first(std::min(room, tokens.size()));
    chunk_.insert(chunk_.end(), part.begin(), part.end());
    tokens = tokens.subspan(part.size());
    if (chunk_.size() == kChunkTokens) HOMOLOG_RETURN_IF_ERROR(WriteChunk());
  }
  return absl::OkStatus();
}

std::string DatasetUpload::FinishTokens() {
  if (digest_.empty()) digest_ = sha256_->HexDigest();
  return digest_;
}

absl::Status DatasetUpload::WriteChunk() {
  if (chunk_.empty()) return absl::OkStatus();
  const std::string key = ChunkKey(upload_key_, chunks_written_);
  const std::string_view bytes = BytesOf(chunk_);
  const std::string seal = Seal(key, bytes);
  const rocksdb::Slice name(key), parts[] = {{bytes.data(), bytes.size()}, seal};
  rocksdb::WriteBatch batch;
  batch.Put(store_->database_->family(Family::kDatasets), rocksdb::SliceParts(&name, 1),
            rocksdb::SliceParts(parts, 2));
  // Nothing is promised before Commit, whose synced write brings the chunks along.
  failure_ = store_->database_->Write(batch, Durability::kUnsynced);
  HOMOLOG_RETURN_IF_ERROR(failure_);
  ++chunks_written_;
  chunk_.clear();
  return absl::OkStatus();
}

absl::Status DatasetUpload::Commit(std::string_view id, std::string_view content_key,
                                   std::string_view manifest) {
  HOMOLOG_RETURN_IF_ERROR(CheckOpen());
  HOMOLOG_RETURN_IF_ERROR(ValidateResourceId("data set", id));
  HOMOLOG_RETURN_IF_ERROR(ValidateResourceId("content key", content_key));
  FinishTokens();
  HOMOLOG_RETURN_IF_ERROR(WriteChunk());
  const std::lock_guard lock(store_->database_->dataset_mutex());
  return CommitLocked(id, content_key, manifest);
}

absl::Status DatasetUpload::CommitLocked(std::string_view id, std::string_view content_key,
                                         std::string_view manifest) {
  Store::Database& database = *store_->database_;
  HOMOLOG_ASSIGN_OR_RETURN(const std::optional<DatasetRecord> existing, database.FindDataset(id));
  if (existing.has_value()) {
    if (existing->content_key != content_key) return DatasetExists(id, "other content");
    if (existing->manifest != manifest) return DatasetExists(id, "another description");
    Discard();
    committed_ = true;
    return absl::OkStatus();
  }
  HOMOLOG_ASSIGN_OR_RETURN(std::optional<ContentRecord> content, database.FindContent(content_key));
  const bool shared = content.has_value();
  if (!shared) content = ContentRecord{upload_key_, token_count_, 0};
  if (content->token_count != token_count_) {
    return ContentKeyConflict(content_key, content->token_count, token_count_);
  }
  ++content->names;
  rocksdb::WriteBatch batch;
  rocksdb::ColumnFamilyHandle* const family = database.family(Family::kDatasets);
  batch.Put(family, DatasetKey(id),
            DatasetRecord{std::string(content_key), std::string(manifest)}.Serialize());
  batch.Put(family, ContentKey(content_key), content->Serialize());
  if (shared) database.DeletePrefix(batch, Family::kDatasets, ChunkPrefix(upload_key_));
  failure_ = database.Write(batch);
  if (!failure_.ok()) {
    Discard();  // once it is known whether the names were written
    return failure_;
  }
  committed_ = true;
  if (shared) database.ReleaseChunkFiles(upload_key_);
  return absl::OkStatus();
}

void DatasetUpload::Discard() {
  if (chunks_written_ == 0) return;
  store_->database_->DiscardChunks(upload_key_);
  chunks_written_ = 0;
}

}  // namespace homolog::store
