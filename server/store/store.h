// The cellar: RocksDB with one column family per kind of record. Everything the server acknowledged
// lives here and survives a restart.
//
//   results     {kind}/{id}                      bytes of the result, manifest (serialised proto;
//                                                opaque here)
//   blobs       {kind}/{id}/{blob}/sealed/size, /{piece}  packed columns of a result
//   operations  {id}                             serialised operation record
//   datasets    dataset/{id}                     {content key, manifest}
//               content/{content key}            {upload key, token count, names that share it}
//               tokens/{upload key}/{chunk}      token ids, little-endian int32
//   meta        {key}                            schema version and small facts
//               used/{kind}/{id}                 when a result was last used
//
// What is in results and blobs, and chunks of tokens, carry digests (sealed.h), which every read
// checks. A result that turns out to be damaged is dropped: it can be computed again. Stores of
// schema 1 and 2, which have no digests, are read as they are.
//
// Where the folder takes no more writes (disk full, read-only, gone), reads go on, writes give
// UNAVAILABLE (STORE_READ_ONLY), and go on by themselves once the cause is gone.
//
// Thread-safety: all methods may be called from any thread. Every write is synced before it
// returns. Errors: NOT_FOUND with reason RESULT_NOT_FOUND, BLOB_NOT_FOUND, OPERATION_NOT_FOUND,
// DATASET_NOT_FOUND, META_NOT_FOUND; INVALID_ARGUMENT with reason INVALID_RESOURCE_ID for a kind,
// id or blob to write that is not a resource id (common/resource_names.h); DATA_LOSS with reason
// RESULT_DAMAGED for a result that was dropped; UNAVAILABLE with reason RESULT_CHANGED for one that
// could not be read whole once and is intact, or gone, now; RocksDB's own errors as UNAVAILABLE
// (reason STORE_UNAVAILABLE, or STORE_READ_ONLY of a write) or DATA_LOSS (reason STORE_CORRUPT)
// with its message; RESOURCE_EXHAUSTED (reason STORE_FULL) for a large write beside too little
// space. A write that gave STORE_READ_ONLY may still be there once the store takes writes again.
#ifndef HOMOLOG_SERVER_STORE_STORE_H_
#define HOMOLOG_SERVER_STORE_STORE_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace homolog::store {

class ResultIndex;

// From here on a write is refused where it would leave too little space; smaller ones are what the
// spare space is for.
inline constexpr int64_t kLargeWriteBytes = int64_t{64} << 10;

// Something that whoever runs the server should hear of.
struct StoreEvent {
  enum class Kind {
    kDamaged,   // result `name` was damaged, and dropped: `detail`
    kEvicted,   // result `name` made room for others
    kReadOnly,  // no more writes: `detail`
    kServing,   // writes are taken again
    // A record in the midst of RocksDB's log was damaged: what was written after it and was in no
    // table yet is lost. `detail`: where.
    kLogDamaged,
  };
  Kind kind = Kind::kServing;
  std::string name;  // {kind}/{id}
  std::string detail;
};

struct StoreOptions {
  // Bytes that results may take before the least recently used ones are evicted; 0: no limit. Data
  // sets and operations do not count, and are not evicted.
  int64_t result_budget_bytes = 0;
  // Called from whichever thread noticed; must not call the store.
  std::function<void(const StoreEvent& event)> observer;
  // The file system, for tests of its faults; outlives the store. Null: the machine's.
  rocksdb::Env* env = nullptr;
};

struct StoreStats {
  std::optional<std::string> read_only_reason;
  int schema_version = 0;
  int64_t disk_bytes = 0, free_bytes = 0;  // of the folder, and of its disk
  struct Results {
    int64_t count = 0, bytes = 0;
  };
  std::map<std::string, Results> results;  // by kind
  int64_t result_bytes = 0, result_budget_bytes = 0;
  int64_t dataset_count = 0, dataset_bytes = 0, operation_count = 0;
  int64_t evicted_results = 0, damaged_results = 0;  // since the store was opened
};

// What RocksDB counts and measures.
struct EngineStats {
  uint64_t memtable_bytes = 0, table_bytes = 0, pending_compaction_bytes = 0, block_cache_bytes = 0;
  // Since the store was opened.
  uint64_t bytes_written = 0, bytes_read = 0, wal_syncs = 0, block_cache_hits = 0,
           block_cache_misses = 0, compaction_bytes_written = 0;
};

struct DamagedResult {
  std::string name;  // {kind}/{id}; datasets/{id} of a data set
  std::string problem;
  bool dropped = false;
};

// One page of a verification.
struct VerifiedPage {
  int64_t checked_count = 0, checked_bytes = 0;
  std::vector<DamagedResult> damaged;
  std::string next_page_token;  // empty on the last page
};

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
  static absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& path,
                                                     const StoreOptions& options = {});
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

  // --- Care.

  // While it lives, results that were used since it was made, by whomever, are not evicted. The
  // store outlives it.
  class Hold {
   public:
    explicit Hold(Store* store);
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    Store* const store_;
    const uint64_t number_;
  };

  // Why no write is taken; nothing where they are.
  std::optional<std::string> read_only_reason() const;
  // OK where a write of so many bytes would be tried now; else the error that it would get.
  absl::Status CheckWrites(int64_t bytes) const;
  // Looks whether writes work (again), keeps within the budget, and now and then saves when results
  // were used. Call it every few seconds.
  void Maintain();
  // Reads some hundred megabytes of results and data sets in full, from `page_token` on; empty:
  // from the first. Damaged results are dropped.
  absl::StatusOr<VerifiedPage> Verify(std::string_view page_token);
  // Gives the space of deleted records back to the disk; takes as long as it takes to write them.
  absl::Status Compact();
  absl::StatusOr<StoreStats> Stats() const;
  EngineStats engine_stats() const;

  class Database;  // the RocksDB handles; for this room only

 private:
  friend class DatasetUpload;
  friend class Verification;
  Store(std::unique_ptr<Database> database, const std::string& path, const StoreOptions& options);
  absl::Status LoadIndex();
  // `status`, which came of reading a result; where it says that the result is damaged, drops it.
  absl::Status Examine(std::string_view kind, std::string_view id,
                       const absl::Status& status) const;
  // Looks again: drops the result if it is damaged. False where it is not (it was replaced, or
  // deleted, while somebody read it); the error of the store where it cannot be dropped.
  absl::StatusOr<bool> DropDamaged(const std::string& key) const;
  absl::Status RemoveLocked(const std::string& key) const;
  absl::StatusOr<std::string> ReadManifest(std::string_view kind, std::string_view id) const;
  void Evict();
  void SaveUsage();

  const StoreOptions options_;
  const std::string path_;
  const std::unique_ptr<Database> database_;
  const std::unique_ptr<ResultIndex> index_;
  // Held by whoever writes or removes results: what looks for damage must not meet another result
  // under the same name, and what begins a hold no eviction under way.
  mutable std::mutex results_mutex_;
  std::chrono::steady_clock::time_point next_usage_;
  std::atomic<bool> index_may_lack_ = false;
  mutable std::atomic<int64_t> evicted_ = 0, damaged_ = 0;
};

}  // namespace homolog::store

#endif  // HOMOLOG_SERVER_STORE_STORE_H_
