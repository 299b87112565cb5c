#include "server/store/database.h"

// The records of data sets.
#include <algorithm>
#include <cstring>
#include <mutex>
#include <shared_mutex>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/text.h"
#include "rocksdb/convenience.h"
#include "server/store/sealed.h"

namespace homolog::store {
namespace {

// The tokens' bytes in the record of a chunk of `count`; nothing where it is damaged. Up to schema
// 2 chunks had no digest.
std::optional<std::string_view> TokensOfChunk(std::string_view key, std::string_view bytes,
                                              int64_t count) {
  const size_t size = count * sizeof(int32_t);
  if (bytes.size() == size) return bytes;
  const std::optional<std::string_view> tokens = Unseal(key, bytes);
  return tokens && tokens->size() == size ? tokens : std::nullopt;
}

}  // namespace

absl::StatusOr<std::optional<DatasetRecord>> Store::Database::FindDataset(
    std::string_view id) const {
  HOMOLOG_ASSIGN_OR_RETURN(const std::optional<std::string> bytes,
                           Get(Family::kDatasets, DatasetKey(id)));
  if (!bytes.has_value()) return std::optional<DatasetRecord>();
  std::optional<DatasetRecord> record = DatasetRecord::Parse(*bytes);
  if (!record.has_value()) {
    return Corrupt(absl::StrCat("the record of data set ", Quoted(id), " is malformed"));
  }
  return record;
}

absl::StatusOr<DatasetRecord> Store::Database::GetDataset(std::string_view id) const {
  HOMOLOG_ASSIGN_OR_RETURN(std::optional<DatasetRecord> record, FindDataset(id));
  if (record.has_value()) return *std::move(record);
  return NotFound("DATASET_NOT_FOUND",
                  absl::StrCat("there is no data set ", Quoted(id),
                               "; ListDatasets names those that are stored, CreateDataset stores "
                               "one"),
                  {{"dataset", std::string(id)}});
}

absl::StatusOr<std::optional<ContentRecord>> Store::Database::FindContent(
    std::string_view content_key) const {
  HOMOLOG_ASSIGN_OR_RETURN(const std::optional<std::string> bytes,
                           Get(Family::kDatasets, ContentKey(content_key)));
  if (!bytes.has_value()) return std::optional<ContentRecord>();
  std::optional<ContentRecord> record = ContentRecord::Parse(*bytes);
  if (!record.has_value()) {
    return Corrupt(absl::StrCat("the record of content ", Quoted(content_key), " is malformed"));
  }
  return record;
}

absl::StatusOr<ContentRecord> Store::Database::GetContentOf(std::string_view id) {
  const std::lock_guard lock(dataset_mutex_);
  HOMOLOG_ASSIGN_OR_RETURN(const DatasetRecord dataset, GetDataset(id));
  HOMOLOG_ASSIGN_OR_RETURN(std::optional<ContentRecord> content, FindContent(dataset.content_key));
  if (content.has_value()) return *std::move(content);
  return Corrupt(absl::StrCat("the content of data set ", Quoted(id), " is missing"));
}

absl::StatusOr<bool> Store::Database::ReadTokens(const ContentRecord& content, int64_t first,
                                                 std::span<int32_t> tokens) const {
  while (!tokens.empty()) {
    const int64_t chunk = first / kChunkTokens;
    const int64_t offset = first % kChunkTokens;
    const int64_t size = std::min(kChunkTokens, content.token_count - chunk * kChunkTokens);
    const int64_t taken = std::min(size - offset, static_cast<int64_t>(tokens.size()));
    const std::string key = ChunkKey(content.upload_key, chunk);
    bool intact = false;
    HOMOLOG_RETURN_IF_ERROR(Read(Family::kDatasets, key, [&](std::string_view bytes) {
                              const auto chunk_bytes = TokensOfChunk(key, bytes, size);
                              if (!chunk_bytes) return;
                              intact = true;
                              std::memcpy(tokens.data(),
                                          chunk_bytes->data() + offset * sizeof(int32_t),
                                          taken * sizeof(int32_t));
                            }).status());
    if (!intact) return false;
    tokens = tokens.subspan(taken);
    first += taken;
  }
  return true;
}

void Store::Database::DiscardChunks(const std::string& upload_key) {
  {
    const std::lock_guard lock(left_chunks_mutex_);
    left_chunks_.push_back(upload_key);
  }
  DiscardLeftChunks();
}

void Store::Database::DiscardLeftChunks() {
  TryWrites();
  // After a failed write it is not known what the data sets point at.
  if (gate_.reason()) return;
  const std::lock_guard lock(left_chunks_mutex_);
  if (left_chunks_.empty()) return;
  const absl::StatusOr<std::vector<std::string>> unused = FindInterruptedUploads();
  if (!unused.ok()) return;
  std::erase_if(left_chunks_, [&](const std::string& key) {
    return std::find(unused->begin(), unused->end(), key) == unused->end();
  });
  rocksdb::WriteBatch batch;
  for (const std::string& key : left_chunks_) {
    DeletePrefix(batch, Family::kDatasets, ChunkPrefix(key));
  }
  if (!Write(batch, Durability::kUnsynced).ok()) return;
  for (const std::string& key : left_chunks_) ReleaseChunkFiles(key);
  left_chunks_.clear();
}

void Store::Database::ReleaseChunkFiles(std::string_view upload_key) {
  const std::string begin = ChunkPrefix(upload_key);
  const std::string end = PrefixEnd(begin);
  const rocksdb::Slice begin_slice(begin);
  const rocksdb::Slice end_slice(end);
  const std::shared_lock lock(handles_mutex_);
  if (db_ == nullptr) return;
  // Best effort: the deletion itself is already written. Dropping a file may drop a tombstone
  // before what it covers; such a chunk has a key that nothing reads, and the next Open purges it.
  rocksdb::DeleteFilesInRange(db_.get(), handle(Family::kDatasets), &begin_slice, &end_slice,
                              /*include_end=*/false)
      .PermitUncheckedError();
}

}  // namespace homolog::store
