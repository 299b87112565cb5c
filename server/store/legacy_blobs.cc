#include "server/store/legacy_blobs.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/text.h"
#include "server/store/blob_keys.h"

namespace homolog::store {
namespace {

std::string SizeKey(const std::string& key) { return key + "/size"; }
std::string PieceKey(const std::string& key, int64_t piece) {
  return absl::StrCat(key, "/", absl::Hex(piece, absl::kZeroPad8));
}

// Copies bytes of `value` from `begin` on; false where it ends before.
bool Take(std::string_view value, int64_t begin, std::span<char> bytes) {
  if (value.size() < begin + bytes.size()) return false;
  std::copy_n(value.data() + begin, bytes.size(), bytes.data());
  return true;
}

}  // namespace

absl::StatusOr<std::optional<int64_t>> FindLegacyBlobSize(const Store::Database& database,
                                                          const std::string& key) {
  int64_t size = 0;
  HOMOLOG_ASSIGN_OR_RETURN(const bool whole,
                           database.Read(Family::kBlobs, key, [&](std::string_view value) {
                             size = static_cast<int64_t>(value.size());
                           }));
  if (whole) return std::optional<int64_t>(size);
  HOMOLOG_ASSIGN_OR_RETURN(const std::optional<std::string> text,
                           database.Get(Family::kBlobs, SizeKey(key)));
  if (!text.has_value()) return std::optional<int64_t>();
  if (!absl::SimpleAtoi(*text, &size) || size <= kPieceBytes) {
    return DataLoss(kBlobDamaged, absl::StrCat("the size of blob ", Quoted(key), " is malformed"));
  }
  return std::optional<int64_t>(size);
}

absl::StatusOr<bool> ReadLegacyBlob(const Store::Database& database, const std::string& key,
                                    int64_t offset, std::span<char> bytes) {
  bool complete = false;
  HOMOLOG_ASSIGN_OR_RETURN(const bool whole,
                           database.Read(Family::kBlobs, key, [&](std::string_view value) {
                             complete = Take(value, offset, bytes);
                           }));
  if (whole) return complete;
  const int64_t end = offset + static_cast<int64_t>(bytes.size());
  for (int64_t at = offset; at < end;) {
    const int64_t piece = at / kPieceBytes, begin = at % kPieceBytes;
    const int64_t count = std::min(end - at, kPieceBytes - begin);
    complete = false;
    HOMOLOG_RETURN_IF_ERROR(database
                                .Read(Family::kBlobs, PieceKey(key, piece),
                                      [&](std::string_view value) {
                                        complete =
                                            Take(value, begin, bytes.subspan(at - offset, count));
                                      })
                                .status());
    if (!complete) return false;
    at += count;
  }
  return true;
}

}  // namespace homolog::store
