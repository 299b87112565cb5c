// What keeps the store in order: damaged results, eviction, what is in it.
#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/folder_bytes.h"
#include "rocksdb/statistics.h"
#include "rocksdb/write_batch.h"
#include "server/store/blob_keys.h"
#include "server/store/database.h"
#include "server/store/dataset_records.h"
#include "server/store/manifest_record.h"
#include "server/store/result_index.h"
#include "server/store/store.h"
#include "server/store/verify_result.h"

namespace homolog::store {
namespace {

constexpr std::string_view kUsedPrefix = "used/";

std::string UsedKey(const std::string& key) { return std::string(kUsedPrefix).append(key); }

// Of a result of schema 1 or 2, whose manifest does not say.
absl::StatusOr<int64_t> BytesOfBlobs(const Store::Database& database, const std::string& key) {
  int64_t bytes = 0;
  HOMOLOG_RETURN_IF_ERROR(database.ForEach(Family::kBlobs, key + "/", "",
                                           [&](std::string_view, std::string_view value) {
                                             bytes += static_cast<int64_t>(value.size());
                                             return true;
                                           }));
  return bytes;
}

}  // namespace

Store::Hold::Hold(Store* store)
    : store_(store), number_([store] {
        const std::lock_guard lock(store->results_mutex_);
        return store->index_->BeginHold();
      }()) {}
Store::Hold::~Hold() { store_->index_->EndHold(number_); }

absl::Status Store::LoadIndex() {
  std::map<std::string, int64_t> used;
  HOMOLOG_RETURN_IF_ERROR(database_->ForEach(
      Family::kMeta, kUsedPrefix, "", [&](std::string_view key, std::string_view value) {
        int64_t seconds = 0;
        if (absl::SimpleAtoi(std::string(value), &seconds)) {
          used[std::string(key.substr(kUsedPrefix.size()))] = seconds;
        }
        return true;
      }));
  std::vector<std::string> unsized;
  HOMOLOG_RETURN_IF_ERROR(database_->ForEach(
      Family::kResults, "", "", [&](std::string_view key_view, std::string_view value) {
        const std::string key(key_view);
        if (index_->Has(key)) return true;
        const std::optional<ManifestRecord> record = ManifestRecord::Parse(key, value);
        if (record && !record->result_bytes) {
          unsized.push_back(key);
        } else {  // a damaged one is dropped by who reads it
          index_->Load(key, record ? *record->result_bytes : 0, used[key]);
        }
        return true;
      }));
  for (const std::string& key : unsized) {
    HOMOLOG_ASSIGN_OR_RETURN(const int64_t bytes, BytesOfBlobs(*database_, key));
    index_->Load(key, bytes, used[key]);
  }
  return absl::OkStatus();
}

absl::Status Store::Examine(std::string_view kind, std::string_view id,
                            const absl::Status& status) const {
  const std::string reason = ErrorReason(status);
  if (reason != kBlobDamaged && reason != "STORE_CORRUPT") return status;
  const std::string key = absl::StrCat(std::string(kind), "/", std::string(id));
  const std::string problem(status.message());
  const absl::StatusOr<bool> dropped = DropDamaged(key);
  if (dropped.ok() && !*dropped) {
    return MakeError(absl::StatusCode::kUnavailable, "RESULT_CHANGED",
                     absl::StrCat(key, " could not be read whole (", problem,
                                  "): it was deleted or replaced meanwhile, or the disk failed for "
                                  "a moment; ask again"),
                     {{"result", key}});
  }
  return DataLoss("RESULT_DAMAGED",
                  absl::StrCat(key, " is damaged (", problem, ")",
                               dropped.ok() ? "; it was dropped: ask for its computation again"
                                            : absl::StrCat(", and could not be dropped: ",
                                                           dropped.status().message())),
                  {{"result", key}});
}

absl::StatusOr<bool> Store::DropDamaged(const std::string& key) const {
  const std::lock_guard lock(results_mutex_);
  int64_t bytes = 0;
  const absl::StatusOr<bool> intact = VerifyResult(*database_, key, bytes);
  if (intact.ok()) return false;
  if (!absl::IsDataLoss(intact.status())) return intact.status();
  HOMOLOG_RETURN_IF_ERROR(RemoveLocked(key));
  ++damaged_;
  if (options_.observer) {
    options_.observer({StoreEvent::Kind::kDamaged, key, std::string(intact.status().message())});
  }
  return true;
}

absl::Status Store::RemoveLocked(const std::string& key) const {
  rocksdb::WriteBatch batch;
  batch.Delete(database_->family(Family::kResults), key);
  batch.Delete(database_->family(Family::kMeta), UsedKey(key));
  database_->DeletePrefix(batch, Family::kBlobs, key + "/");
  HOMOLOG_RETURN_IF_ERROR(database_->Write(batch));
  index_->Remove(key);
  return absl::OkStatus();
}

// With results_mutex_ held.
void Store::Evict() {
  while (const auto claimed = index_->ClaimBeyondBudget(options_.result_budget_bytes)) {
    if (!RemoveLocked(claimed->key).ok()) {  // later, then
      index_->Load(claimed->key, claimed->bytes, claimed->used_seconds);
      return;
    }
    ++evicted_;
    if (options_.observer) options_.observer({StoreEvent::Kind::kEvicted, claimed->key, ""});
  }
}

std::optional<std::string> Store::read_only_reason() const { return database_->read_only_reason(); }

absl::Status Store::CheckWrites(int64_t bytes) const { return database_->CheckWrites(bytes); }

void Store::Maintain() {
  constexpr std::chrono::minutes kUsageInterval{1};
  database_->TryWrites();
  if (database_->read_only_reason()) return;
  database_->DiscardLeftChunks();
  {
    const std::lock_guard lock(results_mutex_);
    // Again, now that no writer is under way: one may have failed since.
    if (database_->read_only_reason()) return;
    if (index_may_lack_) index_may_lack_ = !LoadIndex().ok();
    Evict();  // a hold may have ended, or the budget be smaller than that of a former process
  }
  const auto now = std::chrono::steady_clock::now();
  if (now < next_usage_) return;
  next_usage_ = now + kUsageInterval;
  SaveUsage();
}

void Store::SaveUsage() {
  if (database_->read_only_reason()) return;
  rocksdb::WriteBatch batch;
  for (const ResultIndex::Usage& usage : index_->TakeUnsaved()) {
    batch.Put(database_->family(Family::kMeta), UsedKey(usage.key),
              absl::StrCat(usage.used_seconds));
  }
  // Forgotten, a result is only evicted earlier.
  if (batch.Count() > 0) database_->Write(batch, Durability::kUnsynced).IgnoreError();
}

absl::Status Store::Compact() { return database_->Compact(); }

absl::StatusOr<StoreStats> Store::Stats() const {
  StoreStats stats;
  stats.read_only_reason = read_only_reason();
  stats.schema_version = kSchemaVersion;
  stats.disk_bytes = FolderBytes(path_);
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(path_, error);
  if (!error) stats.free_bytes = static_cast<int64_t>(space.available);
  for (const auto& [kind, total] : index_->TotalsByKind()) {
    stats.results[kind] = {total.count, total.bytes};
  }
  stats.result_bytes = index_->bytes();
  stats.result_budget_bytes = options_.result_budget_bytes;
  HOMOLOG_RETURN_IF_ERROR(database_->ForEach(Family::kDatasets, kDatasetPrefix, "",
                                             [&](std::string_view, std::string_view) {
                                               ++stats.dataset_count;
                                               return true;
                                             }));
  HOMOLOG_RETURN_IF_ERROR(database_->ForEach(
      Family::kDatasets, kContentPrefix, "", [&](std::string_view, std::string_view value) {
        const std::optional<ContentRecord> content = ContentRecord::Parse(value);
        constexpr int64_t kTokenBytes = sizeof(int32_t);
        if (content) stats.dataset_bytes += content->token_count * kTokenBytes;
        return true;
      }));
  HOMOLOG_RETURN_IF_ERROR(
      database_->ForEach(Family::kOperations, "", "", [&](std::string_view, std::string_view) {
        ++stats.operation_count;
        return true;
      }));
  stats.evicted_results = evicted_;
  stats.damaged_results = damaged_;
  return stats;
}

EngineStats Store::engine_stats() const {
  EngineStats stats;
  stats.memtable_bytes = database_->Property("rocksdb.cur-size-all-mem-tables");
  stats.table_bytes = database_->Property("rocksdb.total-sst-files-size");
  stats.pending_compaction_bytes = database_->Property("rocksdb.estimate-pending-compaction-bytes");
  // One cache for all families.
  stats.block_cache_bytes = database_->Property("rocksdb.block-cache-usage") / kFamilyNames.size();
  stats.bytes_written = database_->Ticker(rocksdb::BYTES_WRITTEN);
  stats.bytes_read = database_->Ticker(rocksdb::BYTES_READ);
  stats.wal_syncs = database_->Ticker(rocksdb::WAL_FILE_SYNCED);
  stats.block_cache_hits = database_->Ticker(rocksdb::BLOCK_CACHE_HIT);
  stats.block_cache_misses = database_->Ticker(rocksdb::BLOCK_CACHE_MISS);
  stats.compaction_bytes_written = database_->Ticker(rocksdb::COMPACT_WRITE_BYTES);
  return stats;
}

}  // namespace homolog::store
