#include "server/store/database.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/text.h"
#include "rocksdb/cache.h"
#include "rocksdb/env.h"
#include "rocksdb/listener.h"
#include "rocksdb/options.h"
#include "rocksdb/statistics.h"
#include "rocksdb/table.h"

namespace homolog::store {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

// Errors of flushes and compactions, which no caller hears of.
class BackgroundErrors : public rocksdb::EventListener {
 public:
  explicit BackgroundErrors(WriteGate* gate) : gate_(gate) {}
  void OnBackgroundError(rocksdb::BackgroundErrorReason /*reason*/,
                         rocksdb::Status* status) override {
    gate_->Close(status->ToString());
  }

 private:
  WriteGate* const gate_;
};

rocksdb::DBOptions DatabaseOptions(rocksdb::Env* env, WriteGate* gate) {
  rocksdb::DBOptions options;
  options.env = env;
  options.listeners = {std::make_shared<BackgroundErrors>(gate)};
  // Ours is the only one who tries again: two would be in each other's way.
  options.max_bgerror_resume_count = 0;
  options.statistics = rocksdb::CreateDBStatistics();
  options.statistics->set_stats_level(rocksdb::StatsLevel::kExceptHistogramOrTimers);
  options.create_if_missing = true;
  // All families together: the log and the memory stay small beside the models.
  options.db_write_buffer_size = 64 * kMiB;
  options.max_total_wal_size = 256 * kMiB;
  options.max_open_files = 512;
  // RocksDB's own LOG.
  options.keep_log_file_num = 4;
  options.max_log_file_size = 4 * kMiB;
  options.stats_dump_period_sec = 0;
  return options;
}

rocksdb::ColumnFamilyOptions FamilyOptions() {
  rocksdb::BlockBasedTableOptions table;
  // Readable by RocksDB 6.6 and newer, so by both Debian 12's and 13's.
  table.format_version = 5;
  // Few shards: a block larger than its shard (a chunk of tokens is 1 MiB) is never kept.
  table.block_cache = rocksdb::NewLRUCache(64 * kMiB, /*num_shard_bits=*/2);
  table.cache_index_and_filter_blocks = true;
  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

bool HasTableFiles(const std::string& path) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    if (entry.path().extension() == ".sst") return true;
  }
  return false;
}

// Of the file that RocksDB locks; zeros where there is none.
std::pair<uint64_t, uint64_t> IdentityOf(const std::string& folder) {
  struct stat status = {};
  if (stat((folder + "/LOCK").c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino};
}

WriteGate::Observer GateObserver(const StoreOptions& options) {
  return [observer = options.observer](const std::optional<std::string>& reason) {
    if (!observer) return;
    observer(reason ? StoreEvent{StoreEvent::Kind::kReadOnly, "", *reason}
                    : StoreEvent{StoreEvent::Kind::kServing, "", ""});
  };
}

}  // namespace

Store::Database::Database(std::string path, const StoreOptions& options)
    : path_(std::move(path)),
      env_(options.env != nullptr ? options.env : rocksdb::Env::Default()),
      observer_(options.observer),
      gate_(GateObserver(options)),
      database_options_(DatabaseOptions(env_, &gate_)),
      family_options_(FamilyOptions()) {}

absl::StatusOr<std::unique_ptr<Store::Database>> Store::Database::Open(
    const std::string& path, const StoreOptions& options) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  std::unique_ptr<Database> database(new Database(path, options));
  if (error) return database->Error(rocksdb::Status::IOError(error.message()));
  HOMOLOG_RETURN_IF_ERROR(database->LockFolder());
  // The version first: a newer server's store is left as it is.
  HOMOLOG_RETURN_IF_ERROR(database->OpenExistingFamilies());
  HOMOLOG_RETURN_IF_ERROR(database->CheckSchemaVersion());
  HOMOLOG_RETURN_IF_ERROR(database->CreateMissingFamilies());
  database->folder_identity_ = IdentityOf(path);
  HOMOLOG_RETURN_IF_ERROR(
      database->Put(Family::kMeta, kSchemaVersionKey, absl::StrCat(kSchemaVersion)));
  HOMOLOG_RETURN_IF_ERROR(database->PurgeInterruptedUploads());
  return database;
}

Store::Database::~Database() {
  CloseHandles();
  if (lock_ != nullptr) env_->UnlockFile(lock_).PermitUncheckedError();
}

absl::Status Store::Database::LockFolder() {
  const rocksdb::Status locked = env_->LockFile(path_ + "/HOMOLOG_LOCK", &lock_);
  return locked.ok() ? absl::OkStatus() : Error(locked);
}

void Store::Database::CloseHandles() {
  if (db_ == nullptr) return;
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  }
  handles_.clear();
  families_.fill(nullptr);
  db_->Close().PermitUncheckedError();
  db_.reset();
}

absl::Status Store::Database::OpenExistingFamilies() { return OpenFamilies(/*read_only=*/false); }

absl::Status Store::Database::OpenFamilies(bool read_only) {
  std::vector<std::string> names = {rocksdb::kDefaultColumnFamilyName};
  std::error_code error;
  if (std::filesystem::exists(std::filesystem::path(path_) / "CURRENT", error)) {
    const rocksdb::Status listed =
        rocksdb::DB::ListColumnFamilies(database_options_, path_, &names);
    if (!listed.ok()) return Error(listed);
  } else if (HasTableFiles(path_)) {
    // RocksDB would take the folder for a new store and delete the tables.
    return Corrupt("the file CURRENT is missing beside tables");
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const std::string& name : names) descriptors.emplace_back(name, family_options_);
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened =
      read_only
          ? rocksdb::DB::OpenForReadOnly(database_options_, path_, descriptors, &handles_, &db)
          : OpenForWriting(descriptors, &db);
  if (!opened.ok()) return Error(opened);
  db_.reset(db);
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    const auto* known = std::find(kFamilyNames.begin(), kFamilyNames.end(), handle->GetName());
    if (known == kFamilyNames.end()) continue;
    families_[known - kFamilyNames.begin()] = handle;
    tags_[known - kFamilyNames.begin()].Set(*handle);
  }
  return absl::OkStatus();
}

// A record that a crash left unfinished at a log's end was promised to nobody. A damaged one in its
// midst ends what can be read, and what followed it may have been promised: the store serves what
// there is, but not without a word.
rocksdb::Status Store::Database::OpenForWriting(
    const std::vector<rocksdb::ColumnFamilyDescriptor>& descriptors, rocksdb::DB** db) {
  rocksdb::DBOptions options = database_options_;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  rocksdb::Status whole = rocksdb::DB::Open(options, path_, descriptors, &handles_, db);
  if (!whole.IsCorruption()) return whole;
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  rocksdb::Status opened = rocksdb::DB::Open(options, path_, descriptors, &handles_, db);
  if (opened.ok() && observer_) {
    observer_({StoreEvent::Kind::kLogDamaged, "",
               absl::StrCat("what was written after a damaged record of the log of ", Quoted(path_),
                            " is lost: ", whole.ToString())});
  }
  return opened;
}

absl::Status Store::Database::CheckSchemaVersion() const {
  if (handle(Family::kMeta) == nullptr) return absl::OkStatus();
  HOMOLOG_ASSIGN_OR_RETURN(const std::optional<std::string> text,
                           Get(Family::kMeta, kSchemaVersionKey));
  if (!text.has_value()) return absl::OkStatus();
  int version = 0;
  if (!absl::SimpleAtoi(*text, &version) || version < 1) {
    return Corrupt(absl::StrCat("its schema version is ", Quoted(*text), ", which is no number"));
  }
  if (version <= kSchemaVersion) return absl::OkStatus();
  return FailedPrecondition(
      "STORE_TOO_NEW",
      absl::StrCat("the store ", Quoted(path_), " has schema version ", version,
                   ", this server reads up to ", kSchemaVersion,
                   "; run the newer server that wrote it, or give this one another folder"),
      {{"path", path_},
       {"store_version", absl::StrCat(version)},
       {"server_version", absl::StrCat(kSchemaVersion)}});
}

absl::Status Store::Database::CreateMissingFamilies() {
  for (size_t i = 0; i < kFamilyNames.size(); ++i) {
    if (families_[i] != nullptr) continue;
    rocksdb::ColumnFamilyHandle* handle = nullptr;
    const rocksdb::Status created =
        db_->CreateColumnFamily(family_options_, std::string(kFamilyNames[i]), &handle);
    if (!created.ok()) return Error(created);
    handles_.push_back(handle);
    families_[i] = handle;
    tags_[i].Set(*handle);
  }
  return absl::OkStatus();
}

absl::Status Store::Database::PurgeInterruptedUploads() {
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<std::string> upload_keys, FindInterruptedUploads());
  if (upload_keys.empty()) return absl::OkStatus();
  rocksdb::WriteBatch batch;
  for (const std::string& key : upload_keys) {
    DeletePrefix(batch, Family::kDatasets, ChunkPrefix(key));
  }
  HOMOLOG_RETURN_IF_ERROR(Write(batch));
  for (const std::string& key : upload_keys) ReleaseChunkFiles(key);
  return absl::OkStatus();
}

// The uploads that no content points at.
absl::StatusOr<std::vector<std::string>> Store::Database::FindInterruptedUploads() const {
  std::vector<std::string> kept;
  bool malformed = false;
  HOMOLOG_RETURN_IF_ERROR(ForEach(Family::kDatasets, kContentPrefix, "",
                                  [&](std::string_view /*key*/, std::string_view value) {
                                    const auto content = ContentRecord::Parse(value);
                                    malformed = !content.has_value();
                                    if (!malformed) kept.push_back(content->upload_key);
                                    return !malformed;
                                  }));
  if (malformed) return Corrupt("the record of a data set's content is malformed");
  std::sort(kept.begin(), kept.end());
  std::vector<std::string> interrupted;
  std::optional<std::string> upload;
  std::string from;
  do {  // one look per upload, not per chunk
    upload.reset();
    HOMOLOG_RETURN_IF_ERROR(ForEach(Family::kDatasets, kTokensPrefix, from,
                                    [&](std::string_view key, std::string_view /*value*/) {
                                      upload = UploadKeyOf(key);
                                      return false;
                                    }));
    if (!upload) break;
    if (!std::binary_search(kept.begin(), kept.end(), *upload)) interrupted.push_back(*upload);
    from = PrefixEnd(ChunkPrefix(*upload));
  } while (true);
  return interrupted;
}

}  // namespace homolog::store
