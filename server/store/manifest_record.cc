#include "server/store/manifest_record.h"

#include <algorithm>
#include <cstring>

#include "server/store/sealed.h"

namespace homolog::store {
namespace {

// A serialised proto, which is what older records are, never begins with 0xFF: that would be a
// field of wire type 7, which does not exist.
constexpr std::string_view kMagic = "\xFFHM3";
constexpr size_t kSizeBytes = sizeof(int64_t);

}  // namespace

std::string ManifestRecord::Serialize(std::string_view key, std::string_view manifest,
                                      int64_t result_bytes) {
  std::string record(kMagic);
  record.append(reinterpret_cast<const char*>(&result_bytes), kSizeBytes);
  record.append(manifest);
  return record.append(Seal(key, record));
}

std::optional<ManifestRecord> ManifestRecord::Parse(std::string_view key, std::string_view bytes) {
  // A flipped bit in the first byte must not make it an older record.
  const bool is_older =
      !bytes.starts_with(kMagic.front()) &&
      !bytes.substr(std::min<size_t>(1, bytes.size())).starts_with(kMagic.substr(1));
  if (is_older) return ManifestRecord{std::nullopt, bytes};
  const std::optional<std::string_view> record = Unseal(key, bytes);
  if (!record || !record->starts_with(kMagic)) return std::nullopt;
  if (record->size() < kMagic.size() + kSizeBytes) return std::nullopt;
  int64_t result_bytes = 0;
  std::memcpy(&result_bytes, record->data() + kMagic.size(), kSizeBytes);
  return ManifestRecord{result_bytes, record->substr(kMagic.size() + kSizeBytes)};
}

}  // namespace homolog::store
