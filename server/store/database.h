// The RocksDB handles behind Store and DatasetUpload; private to this room.
//
// Where a write or a sync fails, the database takes no more writes (what RocksDB had begun to write
// may be torn) and goes on to serve reads. Once writes to the folder work again, it is resumed, or
// closed and opened anew (for reading only, where that is all that works); nothing that was
// acknowledged is lost by that.
//
// Thread-safety: all methods may be called from any thread. What reads and then writes records of
// data sets holds dataset_mutex() meanwhile. Callbacks of Read and ForEach must not call back.
#ifndef HOMOLOG_SERVER_STORE_DATABASE_H_
#define HOMOLOG_SERVER_STORE_DATABASE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"
#include "server/store/dataset_records.h"
#include "server/store/family_tag.h"
#include "server/store/store.h"
#include "server/store/write_gate.h"

namespace homolog::store {

// What this server writes and the newest that it reads; in meta under kSchemaVersionKey.
// 2: large blobs in pieces. 3: digests.
inline constexpr int kSchemaVersion = 3;
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
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path,
                                                        const StoreOptions& options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // What a WriteBatch takes; good for as long as the database, also when it is opened anew.
  rocksdb::ColumnFamilyHandle* family(Family family) { return &tags_[static_cast<size_t>(family)]; }

  // Shows the value of `key` without copying it; false, and nothing is shown, where it is not
  // there.
  absl::StatusOr<bool> Read(Family family, std::string_view key,
                            absl::FunctionRef<void(std::string_view value)> show) const;
  // Shows the records whose keys start with `prefix` and are not below `from`, in order, until
  // `show` returns false.
  absl::Status ForEach(
      Family family, std::string_view prefix, std::string_view from,
      absl::FunctionRef<bool(std::string_view key, std::string_view value)> show) const;
  absl::StatusOr<std::optional<std::string>> Get(Family family, std::string_view key) const;
  // Whether any key starts with `prefix`.
  absl::StatusOr<bool> HasPrefix(Family family, std::string_view prefix) const;
  // The records whose keys start with `prefix`; their ids are the rest of the key.
  absl::StatusOr<Page> List(Family family, std::string_view prefix, int page_size,
                            std::string_view page_token) const;

  // The three below: UNAVAILABLE (STORE_READ_ONLY) while no write is taken; RESOURCE_EXHAUSTED
  // (STORE_FULL) where a large one would leave too little of the disk to go on with.
  absl::Status Put(Family family, std::string_view key, std::string_view value);
  absl::Status Delete(Family family, std::string_view key);
  absl::Status Write(rocksdb::WriteBatch& batch, Durability durability = Durability::kSynced);
  // Adds the deletion of every key that starts with `prefix` to `batch`.
  void DeletePrefix(rocksdb::WriteBatch& batch, Family family, std::string_view prefix);

  // Adds the blob under `key` to `batch`.
  void AddBlob(rocksdb::WriteBatch& batch, const std::string& key, std::string_view bytes);
  // DATA_LOSS (reason BLOB_DAMAGED) from these two where a digest does not fit. Bytes of the blob;
  // nothing where there is none.
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
  // Deletes the chunks of an upload that has ended, unless a data set points at them, and gives
  // whole files of them back to the disk now rather than with some later compaction. Where no write
  // is taken: later, by DiscardLeftChunks.
  void DiscardChunks(const std::string& upload_key);
  void DiscardLeftChunks();
  // After the chunks of `upload_key` were deleted.
  void ReleaseChunkFiles(std::string_view upload_key);

  std::mutex& dataset_mutex() { return dataset_mutex_; }

  // Why no write is taken; nothing where they are.
  std::optional<std::string> read_only_reason() const { return gate_.reason(); }
  // OK where a write of so many bytes would be tried now.
  absl::Status CheckWrites(uint64_t bytes) const;
  // Looks whether writes work again, where they did not; at most once in a second.
  void TryWrites();
  // Gives the space of deleted records back. Waits for it.
  absl::Status Compact();
  // Sum of RocksDB's `property` over all families; 0 where it does not know it.
  uint64_t Property(const std::string& property) const;
  // RocksDB's counter, since the store was opened.
  uint64_t Ticker(uint32_t ticker) const;

  // DATA_LOSS with what is wrong with the store's contents.
  absl::Status Corrupt(const std::string& what) const;

 private:
  Database(std::string path, const StoreOptions& options);
  absl::Status LockFolder();
  absl::Status OpenExistingFamilies();
  absl::Status CheckSchemaVersion() const;  // also OK for a store without one: it is new
  absl::Status CreateMissingFamilies();
  absl::Status PurgeInterruptedUploads();
  absl::StatusOr<std::vector<std::string>> FindInterruptedUploads() const;
  absl::Status OpenFamilies(bool read_only);
  rocksdb::Status OpenForWriting(const std::vector<rocksdb::ColumnFamilyDescriptor>& descriptors,
                                 rocksdb::DB** db);
  void CloseHandles();  // and the database
  absl::Status Resume();
  absl::Status OpenAnew();
  absl::Status CheckFolder() const;
  absl::Status ProbeWrites() const;
  absl::Status CheckSpaceToOpen() const;
  absl::Status CheckSpaceFor(uint64_t bytes) const;
  // bytes: of the write that failed; 0 of one that was not tried.
  absl::Status ReadOnlyError(const std::string& reason, uint64_t bytes = 0) const;
  absl::Status CheckOpen() const;
  rocksdb::ColumnFamilyHandle* handle(Family family) const;
  std::unique_ptr<rocksdb::Iterator> NewIterator(Family family) const;
  absl::Status Error(const rocksdb::Status& status) const;

  const std::string path_;
  rocksdb::Env* const env_;
  const decltype(StoreOptions::observer) observer_;
  rocksdb::FileLock* lock_ = nullptr;  // of our own: RocksDB's is given up while it is opened anew
  WriteGate gate_;
  const rocksdb::DBOptions database_options_;
  const rocksdb::ColumnFamilyOptions family_options_;  // one block cache for all
  std::array<FamilyTag, kFamilyNames.size()> tags_;
  std::pair<uint64_t, uint64_t> folder_identity_;  // device and inode of its lock file

  // Held shared while the handles below are used, and alone while they are replaced.
  mutable std::shared_mutex handles_mutex_;
  std::unique_ptr<rocksdb::DB> db_;  // may be for reading only; none where not even that works
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;  // all of them, also unknown ones
  std::array<rocksdb::ColumnFamilyHandle*, kFamilyNames.size()> families_{};

  std::mutex dataset_mutex_;
  std::mutex left_chunks_mutex_;
  std::vector<std::string> left_chunks_;  // keys of uploads
};

}  // namespace homolog::store

#endif  // HOMOLOG_SERVER_STORE_DATABASE_H_
