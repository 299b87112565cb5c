#include "server/store/database.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/text.h"
#include "rocksdb/cache.h"
#include "rocksdb/convenience.h"
#include "rocksdb/options.h"
#include "rocksdb/table.h"

namespace homolog::store {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

rocksdb::Slice ToSlice(std::string_view text) { return {text.data(), text.size()}; }

std::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

rocksdb::DBOptions DatabaseOptions() {
  rocksdb::DBOptions options;
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

// RocksDB has no code of its own for a held lock; these are the messages of its POSIX environment.
bool IsLockHeld(const rocksdb::Status& status) {
  const std::string message = status.ToString();
  return status.IsIOError() && (absl::StrContains(message, "lock hold by current process") ||
                                absl::StrContains(message, "While lock file"));
}

absl::Status LockedError(const std::string& path) {
  return FailedPrecondition(
      "STORE_LOCKED",
      absl::StrCat("the store ", Quoted(path),
                   " is open in another server; stop that server, or give this one a folder of "
                   "its own"),
      {{"path", path}});
}

absl::Status UnavailableError(const std::string& path, const std::string& what) {
  return MakeError(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE",
                   absl::StrCat("the store ", Quoted(path), " cannot be used: ", what,
                                "; the folder must be on a disk with free space that this user "
                                "can read and write"),
                   {{"path", path}});
}

bool HasTableFiles(const std::string& path) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    if (entry.path().extension() == ".sst") return true;
  }
  return false;
}

constexpr size_t kPageTokenCheckSize = 8;

// Detects a token of another listing and an invented one. It keeps no secret.
std::string PageTokenCheck(Family family, std::string_view prefix, std::string_view id) {
  return Sha256Hex(
             absl::StrCat(static_cast<int>(family), ":", std::string(prefix), ":", std::string(id)))
      .substr(0, kPageTokenCheckSize);
}

std::string MakePageToken(Family family, std::string_view prefix, std::string_view id) {
  return absl::WebSafeBase64Escape(PageTokenCheck(family, prefix, id).append(id));
}

// The id after which the page begins.
absl::StatusOr<std::string> ParsePageToken(Family family, std::string_view prefix,
                                           std::string_view token) {
  std::string text;
  if (absl::WebSafeBase64Unescape(std::string(token), &text) && text.size() > kPageTokenCheckSize) {
    std::string id = text.substr(kPageTokenCheckSize);
    if (MakePageToken(family, prefix, id) == token) return id;
  }
  return InvalidArgument("INVALID_PAGE_TOKEN",
                         absl::StrCat("page_token ", Quoted(token),
                                      " was not given by this listing; send next_page_token of "
                                      "the page before, or nothing for the first page"),
                         {{"page_token", Quoted(token)}});
}

absl::Status CheckPageSize(int page_size) {
  if (page_size > 0) return absl::OkStatus();
  return InvalidArgument("INVALID_PAGE_SIZE",
                         absl::StrCat("page_size is ", page_size, "; it must be at least 1"),
                         {{"page_size", absl::StrCat(page_size)}});
}

}  // namespace

std::string PrefixEnd(std::string_view prefix) {
  std::string end(prefix);
  if (!end.empty()) ++end.back();
  return end;
}

Store::Database::Database(std::string path)
    : path_(std::move(path)), family_options_(FamilyOptions()) {}

absl::StatusOr<std::unique_ptr<Store::Database>> Store::Database::Open(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return UnavailableError(path, error.message());
  std::unique_ptr<Database> database(new Database(path));
  // The version first: a newer server's store is left as it is.
  HOMOLOG_RETURN_IF_ERROR(database->OpenExistingFamilies());
  HOMOLOG_RETURN_IF_ERROR(database->CheckSchemaVersion());
  HOMOLOG_RETURN_IF_ERROR(database->CreateMissingFamilies());
  HOMOLOG_RETURN_IF_ERROR(
      database->Put(Family::kMeta, kSchemaVersionKey, absl::StrCat(kSchemaVersion)));
  HOMOLOG_RETURN_IF_ERROR(database->PurgeInterruptedUploads());
  return database;
}

Store::Database::~Database() {
  if (db_ == nullptr) return;
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  }
  db_->Close().PermitUncheckedError();
}

absl::Status Store::Database::OpenExistingFamilies() {
  const rocksdb::DBOptions options = DatabaseOptions();
  std::vector<std::string> names = {rocksdb::kDefaultColumnFamilyName};
  std::error_code error;
  if (std::filesystem::exists(std::filesystem::path(path_) / "CURRENT", error)) {
    const rocksdb::Status listed = rocksdb::DB::ListColumnFamilies(options, path_, &names);
    if (!listed.ok()) return Error(listed);
  } else if (HasTableFiles(path_)) {
    // RocksDB would take the folder for a new store and delete the tables.
    return Corrupt("the file CURRENT is missing beside tables");
  }
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (const std::string& name : names) descriptors.emplace_back(name, family_options_);
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened = rocksdb::DB::Open(options, path_, descriptors, &handles_, &db);
  if (!opened.ok()) return Error(opened);
  db_.reset(db);
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    const auto* known = std::find(kFamilyNames.begin(), kFamilyNames.end(), handle->GetName());
    if (known != kFamilyNames.end()) families_[known - kFamilyNames.begin()] = handle;
  }
  return absl::OkStatus();
}

absl::Status Store::Database::CheckSchemaVersion() const {
  if (family(Family::kMeta) == nullptr) return absl::OkStatus();
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
  const std::unique_ptr<rocksdb::Iterator> it = NewIterator(Family::kDatasets);
  for (it->Seek(ToSlice(kContentPrefix));
       it->Valid() && ToView(it->key()).starts_with(kContentPrefix); it->Next()) {
    const auto content = ContentRecord::Parse(ToView(it->value()));
    if (!content.has_value()) return Corrupt("the record of a data set's content is malformed");
    kept.push_back(content->upload_key);
  }
  if (!it->status().ok()) return Error(it->status());
  std::sort(kept.begin(), kept.end());
  std::vector<std::string> interrupted;
  it->Seek(ToSlice(kTokensPrefix));
  while (it->Valid()) {
    const auto upload_key = UploadKeyOf(ToView(it->key()));
    if (!upload_key.has_value()) break;
    if (!std::binary_search(kept.begin(), kept.end(), *upload_key)) {
      interrupted.push_back(*upload_key);
    }
    it->Seek(PrefixEnd(ChunkPrefix(*upload_key)));  // one look per upload, not per chunk
  }
  if (!it->status().ok()) return Error(it->status());
  return interrupted;
}

rocksdb::ColumnFamilyHandle* Store::Database::family(Family family) const {
  return families_[static_cast<size_t>(family)];
}

std::unique_ptr<rocksdb::Iterator> Store::Database::NewIterator(Family family) const {
  return std::unique_ptr<rocksdb::Iterator>(
      db_->NewIterator(rocksdb::ReadOptions(), this->family(family)));
}

absl::StatusOr<bool> Store::Database::Find(Family family, std::string_view key,
                                           rocksdb::PinnableSlice* value) const {
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), this->family(family), ToSlice(key), value);
  if (status.IsNotFound()) return false;
  if (!status.ok()) return Error(status);
  return true;
}

absl::StatusOr<std::optional<std::string>> Store::Database::Get(Family family,
                                                                std::string_view key) const {
  rocksdb::PinnableSlice value;
  HOMOLOG_ASSIGN_OR_RETURN(const bool found, Find(family, key, &value));
  if (!found) return std::optional<std::string>();
  return std::optional<std::string>(value.ToString());
}

absl::StatusOr<bool> Store::Database::HasPrefix(Family family, std::string_view prefix) const {
  const std::unique_ptr<rocksdb::Iterator> it = NewIterator(family);
  it->Seek(ToSlice(prefix));
  if (!it->status().ok()) return Error(it->status());
  return it->Valid() && ToView(it->key()).starts_with(prefix);
}

absl::StatusOr<Page> Store::Database::List(Family family, std::string_view prefix, int page_size,
                                           std::string_view page_token) const {
  HOMOLOG_RETURN_IF_ERROR(CheckPageSize(page_size));
  std::string start(prefix);
  if (!page_token.empty()) {
    HOMOLOG_ASSIGN_OR_RETURN(const std::string last, ParsePageToken(family, prefix, page_token));
    start += last;
    start += '\0';  // the first key that could follow
  }
  Page page;
  const std::unique_ptr<rocksdb::Iterator> it = NewIterator(family);
  for (it->Seek(start); it->Valid(); it->Next()) {
    std::string_view id = ToView(it->key());
    if (!id.starts_with(prefix)) break;
    id.remove_prefix(prefix.size());
    if (page.records.size() == static_cast<size_t>(page_size)) {
      page.next_page_token = MakePageToken(family, prefix, page.records.back().id);
      break;
    }
    page.records.push_back({std::string(id), it->value().ToString()});
  }
  if (!it->status().ok()) return Error(it->status());
  return page;
}

absl::Status Store::Database::Put(Family family, std::string_view key, std::string_view value) {
  rocksdb::WriteBatch batch;
  batch.Put(this->family(family), ToSlice(key), ToSlice(value));
  return Write(batch);
}

absl::Status Store::Database::Delete(Family family, std::string_view key) {
  rocksdb::WriteBatch batch;
  batch.Delete(this->family(family), ToSlice(key));
  return Write(batch);
}

absl::Status Store::Database::Write(rocksdb::WriteBatch& batch, Durability durability) {
  rocksdb::WriteOptions options;
  options.sync = durability == Durability::kSynced;
  const rocksdb::Status status = db_->Write(options, &batch);
  return status.ok() ? absl::OkStatus() : Error(status);
}

void Store::Database::DeletePrefix(rocksdb::WriteBatch& batch, Family family,
                                   std::string_view prefix) const {
  batch.DeleteRange(this->family(family), ToSlice(prefix), PrefixEnd(prefix));
}

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
    rocksdb::PinnableSlice bytes;
    HOMOLOG_ASSIGN_OR_RETURN(const bool found,
                             Find(Family::kDatasets, ChunkKey(content.upload_key, chunk), &bytes));
    if (!found || bytes.size() != size * sizeof(int32_t)) return false;
    const int64_t taken = std::min(size - offset, static_cast<int64_t>(tokens.size()));
    std::memcpy(tokens.data(), bytes.data() + offset * sizeof(int32_t), taken * sizeof(int32_t));
    tokens = tokens.subspan(taken);
    first += taken;
  }
  return true;
}

void Store::Database::ReleaseChunkFiles(std::string_view upload_key) {
  const std::string begin = ChunkPrefix(upload_key);
  const std::string end = PrefixEnd(begin);
  const rocksdb::Slice begin_slice(begin);
  const rocksdb::Slice end_slice(end);
  // Best effort: the deletion itself is already written. Dropping a file may drop a tombstone
  // before what it covers; such a chunk has a key that nothing reads, and the next Open purges it.
  rocksdb::DeleteFilesInRange(db_.get(), family(Family::kDatasets), &begin_slice, &end_slice,
                              /*include_end=*/false)
      .PermitUncheckedError();
}

absl::Status Store::Database::Corrupt(const std::string& what) const {
  return DataLoss("STORE_CORRUPT",
                  absl::StrCat("the store ", Quoted(path_), " is damaged: ", what,
                               "; restore the folder from a copy, or start with an empty one"),
                  {{"path", path_}});
}

absl::Status Store::Database::Error(const rocksdb::Status& status) const {
  if (IsLockHeld(status)) return LockedError(path_);
  if (status.IsCorruption()) return Corrupt(status.ToString());
  return UnavailableError(path_, status.ToString());
}

}  // namespace homolog::store
