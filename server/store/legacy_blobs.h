// Blobs that schema 1 and 2 wrote, which have no digests: whole up to 1 MiB; schema 2 a larger one
// as its size and pieces.
//
// Thread-safety: pure functions on a thread-safe database.
#ifndef HOMOLOG_SERVER_STORE_LEGACY_BLOBS_H_
#define HOMOLOG_SERVER_STORE_LEGACY_BLOBS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "server/store/database.h"

namespace homolog::store {

// As Database::FindBlobSize and Database::ReadBlob.
absl::StatusOr<std::optional<int64_t>> FindLegacyBlobSize(const Store::Database& database,
                                                          const std::string& key);
absl::StatusOr<bool> ReadLegacyBlob(const Store::Database& database, const std::string& key,
                                    int64_t offset, std::span<char> bytes);

}  // namespace homolog::store

#endif  // HOMOLOG_SERVER_STORE_LEGACY_BLOBS_H_
