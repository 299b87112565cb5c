// Keys of the column family "blobs"; private to this room. Blobs' own names have no slash.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_STORE_BLOB_KEYS_H_
#define HOMOLOG_SERVER_STORE_BLOB_KEYS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace homolog::store {

inline constexpr int64_t kPieceBytes = int64_t{1} << 20;
// Reason of the status of a blob whose digest does not fit.
inline constexpr std::string_view kBlobDamaged = "BLOB_DAMAGED";

inline constexpr std::string_view kBlobSizeSuffix = "/sealed/size";
inline std::string BlobSizeKey(const std::string& blob) {
  return std::string(blob).append(kBlobSizeSuffix);
}
inline std::string BlobPieceKey(const std::string& blob, int64_t piece) {
  return absl::StrCat(blob, "/sealed/", absl::Hex(piece, absl::kZeroPad8));
}

}  // namespace homolog::store

#endif  // HOMOLOG_SERVER_STORE_BLOB_KEYS_H_
