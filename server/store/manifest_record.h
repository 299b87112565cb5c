// How a result's manifest is kept: with the bytes of the whole result, sealed.
//
// Thread-safety: pure functions and values.
#ifndef HOMOLOG_SERVER_STORE_MANIFEST_RECORD_H_
#define HOMOLOG_SERVER_STORE_MANIFEST_RECORD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace homolog::store {

struct ManifestRecord {
  // Of manifest and blobs; nothing in records of schema 1 and 2, which are the manifest alone.
  std::optional<int64_t> result_bytes;
  std::string_view manifest;  // of the bytes that were parsed

  // The record under `key`.
  static std::string Serialize(std::string_view key, std::string_view manifest,
                               int64_t result_bytes);
  // Nothing where the record is damaged.
  static std::optional<ManifestRecord> Parse(std::string_view key, std::string_view bytes);
};

}  // namespace homolog::store

#endif  // HOMOLOG_SERVER_STORE_MANIFEST_RECORD_H_
