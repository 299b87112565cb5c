#include "server/store/database.h"

#include <algorithm>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/text.h"
#include "rocksdb/convenience.h"
#include "rocksdb/options.h"
#include "rocksdb/statistics.h"

namespace homolog::store {
namespace {

rocksdb::Slice ToSlice(std::string_view text) { return {text.data(), text.size()}; }

std::string_view ToView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

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

rocksdb::ColumnFamilyHandle* Store::Database::handle(Family family) const {
  return families_[static_cast<size_t>(family)];
}

absl::Status Store::Database::CheckOpen() const {
  if (db_ != nullptr) return absl::OkStatus();
  return ReadOnlyError(gate_.reason().value_or("it could not be opened anew"));
}

std::unique_ptr<rocksdb::Iterator> Store::Database::NewIterator(Family family) const {
  return std::unique_ptr<rocksdb::Iterator>(
      db_->NewIterator(rocksdb::ReadOptions(), handle(family)));
}

absl::StatusOr<bool> Store::Database::Read(
    Family family, std::string_view key,
    absl::FunctionRef<void(std::string_view value)> show) const {
  const std::shared_lock lock(handles_mutex_);
  HOMOLOG_RETURN_IF_ERROR(CheckOpen());
  rocksdb::PinnableSlice value;
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), handle(family), ToSlice(key), &value);
  if (status.IsNotFound()) return false;
  if (!status.ok()) return Error(status);
  show(ToView(value));
  return true;
}

absl::Status Store::Database::ForEach(
    Family family, std::string_view prefix, std::string_view from,
    absl::FunctionRef<bool(std::string_view key, std::string_view value)> show) const {
  const std::shared_lock lock(handles_mutex_);
  HOMOLOG_RETURN_IF_ERROR(CheckOpen());
  const std::unique_ptr<rocksdb::Iterator> it = NewIterator(family);
  for (it->Seek(ToSlice(std::max(prefix, from))); it->Valid(); it->Next()) {
    if (!ToView(it->key()).starts_with(prefix)) break;
    if (!show(ToView(it->key()), ToView(it->value()))) break;
  }
  return it->status().ok() ? absl::OkStatus() : Error(it->status());
}

absl::StatusOr<std::optional<std::string>> Store::Database::Get(Family family,
                                                                std::string_view key) const {
  std::optional<std::string> value;
  HOMOLOG_RETURN_IF_ERROR(
      Read(family, key, [&](std::string_view bytes) { value = std::string(bytes); }).status());
  return value;
}

absl::StatusOr<bool> Store::Database::HasPrefix(Family family, std::string_view prefix) const {
  bool found = false;
  HOMOLOG_RETURN_IF_ERROR(ForEach(family, prefix, "", [&](std::string_view, std::string_view) {
    found = true;
    return false;
  }));
  return found;
}

absl::StatusOr<Page> Store::Database::List(Family family, std::string_view prefix, int page_size,
                                           std::string_view page_token) const {
  HOMOLOG_RETURN_IF_ERROR(CheckPageSize(page_size));
  std::string from;
  if (!page_token.empty()) {
    HOMOLOG_ASSIGN_OR_RETURN(const std::string last, ParsePageToken(family, prefix, page_token));
    from = absl::StrCat(std::string(prefix), last, absl::string_view("\0", 1));
  }
  Page page;
  auto take = [&](std::string_view key, std::string_view value) {
    if (page.records.size() == static_cast<size_t>(page_size)) {
      page.next_page_token = MakePageToken(family, prefix, page.records.back().id);
      return false;
    }
    page.records.push_back({std::string(key.substr(prefix.size())), std::string(value)});
    return true;
  };
  HOMOLOG_RETURN_IF_ERROR(ForEach(family, prefix, from, take));
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
  TryWrites();
  HOMOLOG_RETURN_IF_ERROR(CheckWrites(batch.GetDataSize()));
  const std::shared_lock lock(handles_mutex_);
  HOMOLOG_RETURN_IF_ERROR(CheckOpen());
  rocksdb::WriteOptions options;
  options.sync = durability == Durability::kSynced;
  const rocksdb::Status status = db_->Write(options, &batch);
  if (status.ok()) return absl::OkStatus();
  gate_.Close(status.ToString());
  return ReadOnlyError(status.ToString(), batch.GetDataSize());
}

absl::Status Store::Database::CheckWrites(uint64_t bytes) const {
  if (const auto reason = gate_.reason()) return ReadOnlyError(*reason);
  return bytes < static_cast<uint64_t>(kLargeWriteBytes) ? absl::OkStatus() : CheckSpaceFor(bytes);
}

void Store::Database::DeletePrefix(rocksdb::WriteBatch& batch, Family family,
                                   std::string_view prefix) {
  batch.DeleteRange(this->family(family), ToSlice(prefix), PrefixEnd(prefix));
}

absl::Status Store::Database::Compact() {
  const std::shared_lock lock(handles_mutex_);
  HOMOLOG_RETURN_IF_ERROR(CheckOpen());
  rocksdb::CompactRangeOptions options;
  // Also where nothing seems to be gained: range deletions say little about their size.
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  for (size_t i = 0; i < kFamilyNames.size(); ++i) {
    const rocksdb::Status status =
        db_->CompactRange(options, handle(static_cast<Family>(i)), nullptr, nullptr);
    if (!status.ok()) return Error(status);
  }
  return absl::OkStatus();
}

uint64_t Store::Database::Property(const std::string& property) const {
  const std::shared_lock lock(handles_mutex_);
  uint64_t sum = 0;
  for (size_t i = 0; db_ != nullptr && i < kFamilyNames.size(); ++i) {
    uint64_t value = 0;
    if (db_->GetIntProperty(handle(static_cast<Family>(i)), property, &value)) sum += value;
  }
  return sum;
}

uint64_t Store::Database::Ticker(uint32_t ticker) const {
  return database_options_.statistics->getTickerCount(ticker);
}

}  // namespace homolog::store
