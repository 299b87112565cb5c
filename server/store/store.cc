#include "server/store/store.h"

#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "common/text.h"
#include "rocksdb/write_batch.h"
#include "server/store/blob_keys.h"
#include "server/store/database.h"
#include "server/store/dataset_records.h"
#include "server/store/manifest_record.h"
#include "server/store/result_index.h"

namespace homolog::store {
namespace {

std::string ResultKey(std::string_view kind, std::string_view id) {
  return std::string(kind).append("/").append(id);
}

std::string BlobPrefix(std::string_view kind, std::string_view id) {
  return ResultKey(kind, id).append("/");
}

absl::Status ValidateResult(std::string_view kind, std::string_view id,
                            const std::vector<Blob>& blobs) {
  HOMOLOG_RETURN_IF_ERROR(ValidateResourceId("kind of result", kind));
  HOMOLOG_RETURN_IF_ERROR(ValidateResourceId("result", id));
  for (const Blob& blob : blobs) HOMOLOG_RETURN_IF_ERROR(ValidateResourceId("blob", blob.name));
  return absl::OkStatus();
}

absl::Status ResultNotFound(std::string_view kind, std::string_view id) {
  return NotFound("RESULT_NOT_FOUND",
                  absl::StrCat("there is no result ", Quoted(id), " in ", Quoted(kind),
                               "; a listing names those that are stored"),
                  {{"kind", std::string(kind)}, {"result", std::string(id)}});
}

absl::Status BlobNotFound(std::string_view kind, std::string_view id, std::string_view blob) {
  return NotFound(
      "BLOB_NOT_FOUND",
      absl::StrCat("the result ", Quoted(id), " in ", Quoted(kind), " has no blob ", Quoted(blob),
                   "; its manifest says which it has"),
      {{"kind", std::string(kind)}, {"result", std::string(id)}, {"blob", std::string(blob)}});
}

absl::Status CheckBlobRange(std::string_view blob, int64_t offset, int64_t size, int64_t stored) {
  if (offset >= 0 && size >= 0 && offset <= stored && size <= stored - offset) {
    return absl::OkStatus();
  }
  return MakeError(absl::StatusCode::kOutOfRange, "BLOB_OUT_OF_RANGE",
                   absl::StrCat("bytes from ", offset, ", ", size, " of them, are not all in blob ",
                                Quoted(blob), ", which has ", stored, " bytes"),
                   {{"blob", std::string(blob)}, {"size", absl::StrCat(stored)}});
}

absl::Status OperationNotFound(std::string_view id) {
  return NotFound("OPERATION_NOT_FOUND",
                  absl::StrCat("there is no operation ", Quoted(id),
                               "; ListOperations names those that are known"),
                  {{"operation", std::string(id)}});
}

absl::Status CheckTokenRange(std::string_view id, int64_t first, int64_t count, int64_t size) {
  if (first >= 0 && count >= 0 && first <= size && count <= size - first) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kOutOfRange, "TOKENS_OUT_OF_RANGE",
      absl::StrCat("tokens from ", first, ", ", count, " of them, are not all in data set ",
                   Quoted(id), ", which has ", size, " tokens"),
      {{"dataset", std::string(id)},
       {"first", absl::StrCat(first)},
       {"count", absl::StrCat(count)},
       {"token_count", absl::StrCat(size)}});
}

}  // namespace

Store::Store(std::unique_ptr<Database> database, const std::string& path,
             const StoreOptions& options)
    : options_(options),
      path_(path),
      database_(std::move(database)),
      index_(std::make_unique<ResultIndex>()) {}
Store::~Store() {
  Maintain();
  SaveUsage();
}

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const std::string& path,
                                                   const StoreOptions& options) {
  HOMOLOG_ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Database::Open(path, options));
  std::unique_ptr<Store> store(new Store(std::move(database), path, options));
  HOMOLOG_RETURN_IF_ERROR(store->LoadIndex());
  return store;
}

absl::Status Store::PutResult(std::string_view kind, std::string_view id, std::string_view manifest,
                              const std::vector<Blob>& blobs) {
  HOMOLOG_RETURN_IF_ERROR(ValidateResult(kind, id, blobs));
  const std::string key = ResultKey(kind, id), prefix = BlobPrefix(kind, id);
  const std::lock_guard lock(results_mutex_);
  rocksdb::WriteBatch batch;
  // Only where there is something to replace: each range deletion costs later reads a little.
  HOMOLOG_ASSIGN_OR_RETURN(const bool replaces, database_->HasPrefix(Family::kBlobs, prefix));
  if (replaces) database_->DeletePrefix(batch, Family::kBlobs, prefix);
  auto bytes = static_cast<int64_t>(manifest.size());
  for (const Blob& blob : blobs) {
    database_->AddBlob(batch, prefix + blob.name, blob.bytes);
    bytes += static_cast<int64_t>(blob.bytes.size());
  }
  batch.Put(database_->family(Family::kResults), key,
            ManifestRecord::Serialize(key, manifest, bytes));
  if (const absl::Status written = database_->Write(batch); !written.ok()) {
    // What was begun may be read back from the log when the store is opened anew.
    if (ErrorReason(written) != "STORE_FULL") index_may_lack_ = true;
    return written;
  }
  index_->Put(key, bytes);
  Evict();
  return absl::OkStatus();
}

absl::StatusOr<std::string> Store::GetResult(std::string_view kind, std::string_view id) const {
  absl::StatusOr<std::string> manifest = ReadManifest(kind, id);
  if (!manifest.ok() && absl::IsDataLoss(manifest.status())) {
    return Examine(kind, id, manifest.status());
  }
  if (!manifest.ok() || index_->Touch(ResultKey(kind, id))) return manifest;
  // It is being evicted: it must not be taken for one that a hold keeps from now on.
  const std::lock_guard lock(results_mutex_);
  return ReadManifest(kind, id);
}

absl::StatusOr<std::string> Store::ReadManifest(std::string_view kind, std::string_view id) const {
  const std::string key = ResultKey(kind, id);
  std::optional<std::string> manifest;
  HOMOLOG_ASSIGN_OR_RETURN(
      const bool found, database_->Read(Family::kResults, key, [&](std::string_view bytes) {
        const std::optional<ManifestRecord> record = ManifestRecord::Parse(key, bytes);
        if (record) manifest = std::string(record->manifest);
      }));
  if (!found) return ResultNotFound(kind, id);
  if (!manifest) return DataLoss(kBlobDamaged, "its manifest is damaged");
  return *std::move(manifest);
}

absl::StatusOr<std::string> Store::GetBlob(std::string_view kind, std::string_view id,
                                           std::string_view blob) const {
  HOMOLOG_ASSIGN_OR_RETURN(const int64_t size, GetBlobSize(kind, id, blob));
  return ReadBlob(kind, id, blob, 0, size);
}

absl::StatusOr<int64_t> Store::GetBlobSize(std::string_view kind, std::string_view id,
                                           std::string_view blob) const {
  const absl::StatusOr<std::optional<int64_t>> size =
      database_->FindBlobSize(BlobPrefix(kind, id).append(blob));
  if (!size.ok()) return Examine(kind, id, size.status());
  if (!size->has_value()) return BlobNotFound(kind, id, blob);
  return **size;
}

absl::StatusOr<std::string> Store::ReadBlob(std::string_view kind, std::string_view id,
                                            std::string_view blob, int64_t offset,
                                            int64_t size) const {
  HOMOLOG_ASSIGN_OR_RETURN(const int64_t stored, GetBlobSize(kind, id, blob));
  HOMOLOG_RETURN_IF_ERROR(CheckBlobRange(blob, offset, size, stored));
  std::string bytes(size, '\0');
  absl::StatusOr<bool> complete =
      database_->ReadBlob(BlobPrefix(kind, id).append(blob), offset, std::span(bytes));
  if (complete.ok() && *complete) return bytes;
  if (complete.ok()) {
    complete =
        DataLoss(kBlobDamaged, absl::StrCat("bytes of its blob ", Quoted(blob), " are missing"));
  }
  return Examine(kind, id, complete.status());
}

absl::StatusOr<Page> Store::ListResults(std::string_view kind, int page_size,
                                        std::string_view page_token) const {
  HOMOLOG_ASSIGN_OR_RETURN(
      Page page, database_->List(Family::kResults, ResultKey(kind, ""), page_size, page_token));
  std::vector<Record> intact;
  for (Record& record : page.records) {
    const auto manifest = ManifestRecord::Parse(ResultKey(kind, record.id), record.bytes);
    if (!manifest) {
      Examine(kind, record.id, DataLoss(kBlobDamaged, "its manifest is damaged")).IgnoreError();
      continue;
    }
    intact.push_back({std::move(record.id), std::string(manifest->manifest)});
  }
  page.records = std::move(intact);
  return page;
}

absl::Status Store::DeleteResult(std::string_view kind, std::string_view id) {
  const std::string key = ResultKey(kind, id);
  const std::lock_guard lock(results_mutex_);
  HOMOLOG_ASSIGN_OR_RETURN(
      const bool found, database_->Read(Family::kResults, key, [](std::string_view /*record*/) {}));
  return found ? RemoveLocked(key) : ResultNotFound(kind, id);
}

absl::Status Store::PutOperation(std::string_view id, std::string_view record) {
  HOMOLOG_RETURN_IF_ERROR(ValidateResourceId("operation", id));
  return database_->Put(Family::kOperations, id, record);
}

absl::StatusOr<std::string> Store::GetOperation(std::string_view id) const {
  HOMOLOG_ASSIGN_OR_RETURN(std::optional<std::string> record,
                           database_->Get(Family::kOperations, id));
  if (!record.has_value()) return OperationNotFound(id);
  return *std::move(record);
}

absl::StatusOr<Page> Store::ListOperations(int page_size, std::string_view page_token) const {
  return database_->List(Family::kOperations, "", page_size, page_token);
}

absl::Status Store::DeleteOperation(std::string_view id) {
  HOMOLOG_RETURN_IF_ERROR(GetOperation(id).status());
  return database_->Delete(Family::kOperations, id);
}

absl::Status Store::PutMeta(std::string_view key, std::string_view value) {
  if (key == kSchemaVersionKey) {
    return InvalidArgument(
        "RESERVED_META_KEY",
        absl::StrCat("the meta key ", Quoted(key), " is the store's own; choose another"),
        {{"key", std::string(key)}});
  }
  return database_->Put(Family::kMeta, key, value);
}

absl::StatusOr<std::string> Store::GetMeta(std::string_view key) const {
  HOMOLOG_ASSIGN_OR_RETURN(std::optional<std::string> value, database_->Get(Family::kMeta, key));
  if (value.has_value()) return *std::move(value);
  return NotFound("META_NOT_FOUND",
                  absl::StrCat("the store has no fact ", Quoted(key), "; PutMeta stores one"),
                  {{"key", std::string(key)}});
}

absl::StatusOr<std::string> Store::GetDataset(std::string_view id) const {
  HOMOLOG_ASSIGN_OR_RETURN(DatasetRecord record, database_->GetDataset(id));
  return std::move(record.manifest);
}

absl::StatusOr<Page> Store::ListDatasets(int page_size, std::string_view page_token) const {
  HOMOLOG_ASSIGN_OR_RETURN(
      Page page, database_->List(Family::kDatasets, kDatasetPrefix, page_size, page_token));
  for (Record& record : page.records) {
    std::optional<DatasetRecord> dataset = DatasetRecord::Parse(record.bytes);
    if (!dataset.has_value()) {
      return database_->Corrupt(
          absl::StrCat("the record of data set ", Quoted(record.id), " is malformed"));
    }
    record.bytes = std::move(dataset->manifest);
  }
  return page;
}

absl::Status Store::DeleteDataset(std::string_view id) {
  const std::lock_guard lock(database_->dataset_mutex());
  HOMOLOG_ASSIGN_OR_RETURN(const DatasetRecord dataset, database_->GetDataset(id));
  HOMOLOG_ASSIGN_OR_RETURN(std::optional<ContentRecord> content,
                           database_->FindContent(dataset.content_key));
  rocksdb::WriteBatch batch;
  rocksdb::ColumnFamilyHandle* const family = database_->family(Family::kDatasets);
  batch.Delete(family, DatasetKey(id));
  const bool last = content.has_value() && content->names == 1;
  if (last) {
    batch.Delete(family, ContentKey(dataset.content_key));
    database_->DeletePrefix(batch, Family::kDatasets, ChunkPrefix(content->upload_key));
  } else if (content.has_value()) {
    --content->names;
    batch.Put(family, ContentKey(dataset.content_key), content->Serialize());
  }
  HOMOLOG_RETURN_IF_ERROR(database_->Write(batch));
  if (last) database_->ReleaseChunkFiles(content->upload_key);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int32_t>> Store::ReadTokens(std::string_view id, int64_t first,
                                                       int64_t count) const {
  HOMOLOG_ASSIGN_OR_RETURN(const ContentRecord content, database_->GetContentOf(id));
  HOMOLOG_RETURN_IF_ERROR(CheckTokenRange(id, first, count, content.token_count));
  std::vector<int32_t> tokens(count);
  HOMOLOG_ASSIGN_OR_RETURN(const bool complete, database_->ReadTokens(content, first, tokens));
  if (complete) return tokens;
  // Either the data set was deleted, and perhaps made anew, meanwhile, or its chunks are damaged.
  HOMOLOG_ASSIGN_OR_RETURN(const ContentRecord current, database_->GetContentOf(id));
  if (current.upload_key != content.upload_key) return ReadTokens(id, first, count);
  return database_->Corrupt(absl::StrCat("tokens of data set ", Quoted(id), " are missing"));
}

}  // namespace homolog::store
