// Keys and records of the column family "datasets" (layout in store.h); private to this room.
//
// Thread-safety: pure functions and values.
#ifndef HOMOLOG_SERVER_STORE_DATASET_RECORDS_H_
#define HOMOLOG_SERVER_STORE_DATASET_RECORDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace homolog::store {

// Tokens in a full chunk: 1 MiB.
inline constexpr int64_t kChunkTokens = 256 * 1024;

inline constexpr std::string_view kDatasetPrefix = "dataset/";
inline constexpr std::string_view kContentPrefix = "content/";
inline constexpr std::string_view kTokensPrefix = "tokens/";

// A name and the content it stands for.
struct DatasetRecord {
  std::string content_key;
  std::string manifest;

  std::string Serialize() const;
  static std::optional<DatasetRecord> Parse(std::string_view bytes);
};

// Content that one or more names share. The tokens stay under the key they were uploaded to, so
// that a commit adopts them without writing them again.
struct ContentRecord {
  std::string upload_key;
  int64_t token_count = 0;
  int64_t names = 0;  // data sets that share the content; > 0

  std::string Serialize() const;
  static std::optional<ContentRecord> Parse(std::string_view bytes);
};

std::string DatasetKey(std::string_view id);
std::string ContentKey(std::string_view content_key);
// "tokens/{upload_key}/": all chunks of an upload.
std::string ChunkPrefix(std::string_view upload_key);
std::string ChunkKey(std::string_view upload_key, int64_t chunk);
// The upload key in a chunk's key; nothing where `key` is none.
std::optional<std::string> UploadKeyOf(std::string_view key);
// An upload key that was never used before: 128 random bits in hexadecimal.
std::string NewUploadKey();

}  // namespace homolog::store

#endif  // HOMOLOG_SERVER_STORE_DATASET_RECORDS_H_
