// How the store keeps blobs: a size, and sealed pieces of up to 1 MiB, so that a few of its bytes
// cost a few reads.
#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/text.h"
#include "server/store/blob_keys.h"
#include "server/store/database.h"
#include "server/store/legacy_blobs.h"
#include "server/store/sealed.h"

namespace homolog::store {
namespace {

absl::Status Damaged(const std::string& key) {
  return DataLoss(kBlobDamaged, absl::StrCat("the digest of ", Quoted(key), " does not fit"));
}

// Takes the bytes of a sealed piece from `begin` on; false where the piece is damaged or ends
// before.
bool TakePiece(const std::string& key, std::string_view sealed, int64_t begin,
               std::span<char> bytes) {
  const std::optional<std::string_view> piece = Unseal(key, sealed);
  if (!piece || static_cast<int64_t>(piece->size()) < begin + static_cast<int64_t>(bytes.size())) {
    return false;
  }
  std::copy_n(piece->data() + begin, bytes.size(), bytes.data());
  return true;
}

}  // namespace

void Store::Database::AddBlob(rocksdb::WriteBatch& batch, const std::string& key,
                              std::string_view bytes) {
  const auto size = static_cast<int64_t>(bytes.size());
  auto put = [&](const std::string& record, std::string_view value) {
    const std::string seal = Seal(record, value);
    const rocksdb::Slice name(record);
    const rocksdb::Slice parts[] = {{value.data(), value.size()}, seal};
    batch.Put(family(Family::kBlobs), rocksdb::SliceParts(&name, 1), rocksdb::SliceParts(parts, 2));
  };
  put(BlobSizeKey(key), {reinterpret_cast<const char*>(&size), sizeof size});
  for (int64_t at = 0; at < size; at += kPieceBytes) {
    put(BlobPieceKey(key, at / kPieceBytes), bytes.substr(at, kPieceBytes));
  }
}

absl::StatusOr<std::optional<int64_t>> Store::Database::FindBlobSize(const std::string& key) const {
  int64_t size = -1;
  const std::string size_key = BlobSizeKey(key);
  HOMOLOG_ASSIGN_OR_RETURN(const bool found,
                           Read(Family::kBlobs, size_key, [&](std::string_view sealed) {
                             const auto value = Unseal(size_key, sealed);
                             if (!value || value->size() != sizeof size) return;
                             std::memcpy(&size, value->data(), sizeof size);
                           }));
  if (!found) return FindLegacyBlobSize(*this, key);
  if (size < 0) return Damaged(size_key);
  return std::optional<int64_t>(size);
}

absl::StatusOr<bool> Store::Database::ReadBlob(const std::string& key, int64_t offset,
                                               std::span<char> bytes) const {
  HOMOLOG_ASSIGN_OR_RETURN(
      const bool sealed, Read(Family::kBlobs, BlobSizeKey(key), [](std::string_view /*size*/) {}));
  if (!sealed) return ReadLegacyBlob(*this, key, offset, bytes);
  const int64_t end = offset + static_cast<int64_t>(bytes.size());
  for (int64_t at = offset; at < end;) {
    const int64_t piece = at / kPieceBytes, begin = at % kPieceBytes;
    const int64_t count = std::min(end - at, kPieceBytes - begin);
    const std::string piece_key = BlobPieceKey(key, piece);
    bool intact = false;
    HOMOLOG_ASSIGN_OR_RETURN(
        const bool found, Read(Family::kBlobs, piece_key, [&](std::string_view value) {
          intact = TakePiece(piece_key, value, begin, bytes.subspan(at - offset, count));
        }));
    if (!found) return false;
    if (!intact) return Damaged(piece_key);
    at += count;
  }
  return true;
}

}  // namespace homolog::store
