// How the store keeps blobs: whole up to 1 MiB; a larger one as its size and pieces, so that a few
// of its bytes cost a few reads.
#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/text.h"
#include "server/store/database.h"

namespace homolog::store {
namespace {

constexpr int64_t kPieceBytes = int64_t{1} << 20;

// Blobs' own names have no slash.
std::string SizeKey(const std::string& key) { return key + "/size"; }
std::string PieceKey(const std::string& key, int64_t piece) {
  return absl::StrCat(key, "/", absl::Hex(piece, absl::kZeroPad8));
}

}  // namespace

void Store::Database::AddBlob(rocksdb::WriteBatch& batch, const std::string& key,
                              std::string_view bytes) const {
  rocksdb::ColumnFamilyHandle* const blobs = family(Family::kBlobs);
  const auto size = static_cast<int64_t>(bytes.size());
  if (size <= kPieceBytes) {
    batch.Put(blobs, key, rocksdb::Slice(bytes.data(), bytes.size()));
    return;
  }
  batch.Put(blobs, SizeKey(key), absl::StrCat(size));
  for (int64_t at = 0; at < size; at += kPieceBytes) {
    const std::string_view piece = bytes.substr(at, kPieceBytes);
    batch.Put(blobs, PieceKey(key, at / kPieceBytes), rocksdb::Slice(piece.data(), piece.size()));
  }
}

absl::StatusOr<std::optional<int64_t>> Store::Database::FindBlobSize(const std::string& key) const {
  rocksdb::PinnableSlice whole;
  HOMOLOG_ASSIGN_OR_RETURN(const bool found, Find(Family::kBlobs, key, &whole));
  if (found) return std::optional<int64_t>(whole.size());
  HOMOLOG_ASSIGN_OR_RETURN(const std::optional<std::string> text,
                           Get(Family::kBlobs, SizeKey(key)));
  if (!text.has_value()) return std::optional<int64_t>();
  int64_t size = 0;
  if (!absl::SimpleAtoi(*text, &size) || size <= kPieceBytes) {
    return Corrupt(absl::StrCat("the size of blob ", Quoted(key), " is malformed"));
  }
  return std::optional<int64_t>(size);
}

absl::StatusOr<bool> Store::Database::ReadBlob(const std::string& key, int64_t offset,
                                               std::span<char> bytes) const {
  rocksdb::PinnableSlice value;
  HOMOLOG_ASSIGN_OR_RETURN(const bool whole, Find(Family::kBlobs, key, &value));
  const int64_t end = offset + static_cast<int64_t>(bytes.size());
  if (whole) {
    if (static_cast<int64_t>(value.size()) < end) return false;
    std::copy_n(value.data() + offset, bytes.size(), bytes.data());
    return true;
  }
  for (int64_t at = offset; at < end;) {
    const int64_t piece = at / kPieceBytes, begin = at % kPieceBytes;
    const int64_t count = std::min(end - at, kPieceBytes - begin);
    value.Reset();
    HOMOLOG_ASSIGN_OR_RETURN(const bool found, Find(Family::kBlobs, PieceKey(key, piece), &value));
    if (!found || static_cast<int64_t>(value.size()) < begin + count) return false;
    std::copy_n(value.data() + begin, count, bytes.data() + (at - offset));
    at += count;
  }
  return true;
}

}  // namespace homolog::store
