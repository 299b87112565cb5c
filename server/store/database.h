// The RocksDB handles behind Store and DatasetUpload; private to this room.
//
// Thread-safety: all methods may be called from any thread. What reads and then writes records of
// data sets holds dataset_mutex() meanwhile.
#ifndef HOMOLOG_SERVER_STORE_DATABASE_H_
#define HOMOLOG_SERVER_STORE_DATABASE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"
#include "server/store/dataset_records.h"
#include "server/store/store.h"

namespace homolog::store {

// The column families, one per kind of record.
enum class Family { kResults, kBlobs, kOperations, kDatasets, kMeta };
inline constexpr std::array<std::string_view, 5> kFamilyNames = {"results", "blobs", "operations",
                                                                 "datasets", "meta"};

// What this server writes and the newest that it reads; in meta under kSchemaVersionKey.
inline constexpr int kSchemaVersion = 2;  // 2: large blobs in pieces
inline constexpr std::string_view kSchemaVersionKey = "schema_version";

enum class Durability {
  kSynced,    // on the disk before Write returns
  kUnsynced,  // on the disk with the next synced write, whose log it shares
};

// The first key after all keys that start with `prefix` (which does not end in byte 255).
std::string PrefixEnd(std::string_view prefix);

class Store::Database {
 public:
  // See Store::Open.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  rocksdb::ColumnFamilyHandle* family(Family family) const;

  // Whether `key` is there; its value pinned in `value`, not copied.
  absl::StatusOr<bool> Find(Family family, std::string_view key,
                            rocksdb::PinnableSlice* value) const;
  absl::StatusOr<std::optional<std::string>> Get(Family family, std::string_view key) const;
  // Whether any key starts with `prefix`.
  absl::StatusOr<bool> HasPrefix(Family family, std::string_view prefix) const;
  // The records whose keys start with `prefix`; their ids are the rest of the key.
  absl::StatusOr<Page> List(Family family, std::string_view prefix, int page_size,
                            std::string_view page_token) const;

  absl::Status Put(Family family, std::string_view key, std::string_view value);
  absl::Status Delete(Family family, std::string_view key);
  absl::Status Write(rocksdb::WriteBatch& batch, Durability durability = Durability::kSynced);
  // Adds the deletion of every key that starts with `prefix` to `batch`.
  void DeletePrefix(rocksdb::WriteBatch& batch, Family family, std::string_view prefix) const;

  // Adds the blob under `key` to `batch`.
  void AddBlob(rocksdb::WriteBatch& batch, const std::string& key, std::string_view bytes) const;
  // Bytes of the blob; nothing where there is none.
  absl::StatusOr<std::optional<int64_t>> FindBlobSize(const std::string& key) const;
  // Fills `bytes` from byte `offset` of the blob on. False where it is not there or ends before.
  absl::StatusOr<bool> ReadBlob(const std::string& key, int64_t offset,
                                std::span<char> bytes) const;

  // DATASET_NOT_FOUND where there is none; DATA_LOSS where a record cannot be read.
  absl::StatusOr<DatasetRecord> GetDataset(std::string_view id) const;
  absl::StatusOr<std::optional<DatasetRecord>> FindDataset(std::string_view id) const;
  absl::StatusOr<std::optional<ContentRecord>> FindContent(std::string_view content_key) const;
  // The content that data set `id` stands for; takes dataset_mutex() so that the two records belong
  // together.
  absl::StatusOr<ContentRecord> GetContentOf(std::string_view id);
  // Fills `tokens` from position `first` of `content` on, within its range. False where a chunk is
  // missing or has the wrong size.
  absl::StatusOr<bool> ReadTokens(const ContentRecord& content, int64_t first,
                                  std::span<int32_t> tokens) const;
  // After the chunks of `upload_key` were deleted: gives whole files of them back to the disk now
  // rather than with some later compaction.
  void ReleaseChunkFiles(std::string_view upload_key);

  std::mutex& dataset_mutex() { return dataset_mutex_; }

  // DATA_LOSS with what is wrong with the store's contents.
  absl::Status Corrupt(const std::string& what) const;

 private:
  explicit Database(std::string path);
  absl::Status OpenExistingFamilies();
  absl::Status CheckSchemaVersion() const;  // also OK for a store without one: it is new
  absl::Status CreateMissingFamilies();
  absl::Status PurgeInterruptedUploads();
  absl::StatusOr<std::vector<std::string>> FindInterruptedUploads() const;
  std::unique_ptr<rocksdb::Iterator> NewIterator(Family family) const;
  absl::Status Error(const rocksdb::Status& status) const;

  const std::string path_;
  const rocksdb::ColumnFamilyOptions family_options_;  // one block cache for all
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;  // all of them, also unknown ones
  std::array<rocksdb::ColumnFamilyHandle*, kFamilyNames.size()> families_{};
  std::mutex dataset_mutex_;
};

}  // namespace homolog::store

#endif  // HOMOLOG_SERVER_STORE_DATABASE_H_
