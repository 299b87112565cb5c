// The cellar: RocksDB with one column family per kind of record. Everything the server acknowledged
// lives here and survives a restart.
//
//   results     {kind}/{id}                      manifest (serialised proto; opaque here)
//   blobs       {kind}/{id}/{blob}               packed columns of a result
//               {kind}/{id}/{blob}/size, /{piece} the same of one that is larger than 1 MiB
//   operations  {id}                             serialised operation record
//   datasets    dataset/{id}                     {content key, manifest}
//               content/{content key}            {upload key, token count, names that share it}
//               tokens/{upload key}/{chunk}      token ids, little-endian int32
//   meta        {key}                            schema version and small facts
//
// Thread-safety: all methods may be called from any thread. Every write is synced before it
// returns. Errors: NOT_FOUND with reason RESULT_NOT_FOUND, BLOB_NOT_FOUND, OPERATION_NOT_FOUND,
// DATASET_NOT_FOUND, META_NOT_FOUND; INVALID_ARGUMENT with reason INVALID_RESOURCE_ID for a kind,
// id or blob to write that is not a resource id (common/resource_names.h); RocksDB's own errors as
// UNAVAILABLE (reason STORE_UNAVAILABLE) or DATA_LOSS (reason STORE_CORRUPT) with its message.
#ifndef HOMOLOG_SERVER_STORE_STORE_H_
#define HOMOLOG_SERVER_STORE_STORE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace homolog::store {

// One record of a listing: its id and its bytes.
struct Record {
  std::string id;
  std::string bytes;
};

// A page of a listing in the order of ids. `next_page_token` is empty on the last page.
struct Page {
  std::vector<Record> records;
  std::string next_page_token;
};

struct Blob {
  std::string name;
  std::string bytes;
};

class Store {
 public:
  // Opens or creates the store in folder `path` (created with its parents where missing).
  // FAILED_PRECONDITION with reason STORE_LOCKED where another process has it open, STORE_TOO_NEW
  // where its schema version is newer than this server's. Purges what interrupted uploads left.
  static absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& path);
  ~Store();  // closes column families, then the database

  // --- Results: a manifest and its blobs, written in one atomic batch. Putting an id again
  // replaces its manifest and all of its blobs.
  absl::Status PutResult(std::string_view kind, std::string_view id, std::string_view manifest,
                         const std::vector<Blob>& blobs);
  absl::StatusOr<std::string> GetResult(std::string_view kind, std::string_view id) const;
  absl::StatusOr<std::string> GetBlob(std::string_view kind, std::string_view id,
                                      std::string_view blob) const;
  absl::StatusOr<int64_t> GetBlobSize(std::string_view kind, std::string_view id,
                                      std::string_view blob) const;
  // Bytes [offset, offset + size) of a blob, however large it is around them; OUT_OF_RANGE (reason
  // BLOB_OUT_OF_RANGE) beyond its end.
  absl::StatusOr<std::string> ReadBlob(std::string_view kind, std::string_view id,
                                       std::string_view blob, int64_t offset, int64_t size) const;
  // page_size > 0 (INVALID_ARGUMENT with reason INVALID_PAGE_SIZE otherwise). page_token: empty or
  // a former next_page_token of the same listing; INVALID_ARGUMENT (reason INVALID_PAGE_TOKEN)
  // otherwise. The record a token was made at may be gone by then.
  absl::StatusOr<Page> ListResults(std::string_view kind, int page_size,
                                   std::string_view page_token) const;
  absl::Status DeleteResult(std::string_view kind, std::string_view id);

  // --- Operations.
  absl::Status PutOperation(std::string_view id, std::string_view record);
  absl::StatusOr<std::string> GetOperation(std::string_view id) const;
  absl::StatusOr<Page> ListOperations(int page_size, std::string_view page_token) const;
  absl::Status DeleteOperation(std::string_view id);

  // --- Meta: small facts by key. GetMeta: NOT_FOUND where absent. PutMeta: INVALID_ARGUMENT
  // (reason RESERVED_META_KEY) for "schema_version", which is the store's own.
  absl::Status PutMeta(std::string_view key, std::string_view value);
  absl::StatusOr<std::string> GetMeta(std::string_view key) const;

  // --- Data sets: see dataset_upload.h for how they come in.
  absl::StatusOr<std::string> GetDataset(std::string_view id) const;  // its manifest
  absl::StatusOr<Page> ListDatasets(int page_size, std::string_view page_token) const;
  // Deletes the name; the tokens go with the last name that shares them.
  absl::Status DeleteDataset(std::string_view id);
  // Token ids [first, first + count) of the data set; OUT_OF_RANGE (reason TOKENS_OUT_OF_RANGE)
  // beyond its end.
  absl::StatusOr<std::vector<int32_t>> ReadTokens(std::string_view id, int64_t first,
                                                  int64_t count) const;

 private:
  friend class DatasetUpload;
  class Database;  // the RocksDB handles
  explicit Store(std::unique_ptr<Database> database);
  std::unique_ptr<Database> database_;
};

}  // namespace homolog::store

#endif  // HOMOLOG_SERVER_STORE_STORE_H_
