#include "server/store/dataset_records.h"

#include <random>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace homolog::store {
namespace {

std::string Join(std::string_view prefix, std::string_view rest) {
  return std::string(prefix).append(rest);
}

}  // namespace

// A content key is a resource id, so the first line feed ends it whatever the manifest holds.
std::string DatasetRecord::Serialize() const { return content_key + "\n" + manifest; }

std::optional<DatasetRecord> DatasetRecord::Parse(std::string_view bytes) {
  const size_t end = bytes.find('\n');
  if (end == std::string_view::npos || end == 0) return std::nullopt;
  return DatasetRecord{std::string(bytes.substr(0, end)), std::string(bytes.substr(end + 1))};
}

std::string ContentRecord::Serialize() const {
  return absl::StrCat(upload_key, " ", token_count, " ", names);
}

std::optional<ContentRecord> ContentRecord::Parse(std::string_view bytes) {
  const std::vector<std::string> fields = absl::StrSplit(std::string(bytes), ' ');
  ContentRecord record;
  if (fields.size() != 3 || fields[0].empty() ||
      !absl::SimpleAtoi(fields[1], &record.token_count) ||
      !absl::SimpleAtoi(fields[2], &record.names) || record.token_count < 0 || record.names < 1) {
    return std::nullopt;
  }
  record.upload_key = fields[0];
  return record;
}

std::string DatasetKey(std::string_view id) { return Join(kDatasetPrefix, id); }

std::string ContentKey(std::string_view content_key) { return Join(kContentPrefix, content_key); }

std::string ChunkPrefix(std::string_view upload_key) {
  return Join(kTokensPrefix, upload_key) + "/";
}

// Fixed width, so that the order of keys is the order of chunks.
std::string ChunkKey(std::string_view upload_key, int64_t chunk) {
  return absl::StrCat(ChunkPrefix(upload_key), absl::Hex(chunk, absl::kZeroPad12));
}

std::optional<std::string> UploadKeyOf(std::string_view key) {
  if (!key.starts_with(kTokensPrefix)) return std::nullopt;
  key.remove_prefix(kTokensPrefix.size());
  const size_t end = key.find('/');
  if (end == std::string_view::npos) return std::nullopt;
  return std::string(key.substr(0, end));
}

std::string NewUploadKey() {
  std::random_device random;
  std::string key;
  for (int i = 0; i < 4; ++i) absl::StrAppend(&key, absl::Hex(random(), absl::kZeroPad8));
  return key;
}

}  // namespace homolog::store
