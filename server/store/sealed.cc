#include "server/store/sealed.h"

#include <xxhash.h>

#include <cstring>

namespace homolog::store {
namespace {

static_assert(sizeof(XXH128_canonical_t) == kSealBytes);

XXH128_canonical_t DigestOf(std::string_view key, std::string_view value) {
  const XXH64_hash_t seed = XXH3_64bits(key.data(), key.size());
  XXH128_canonical_t digest;
  XXH128_canonicalFromHash(&digest, XXH3_128bits_withSeed(value.data(), value.size(), seed));
  return digest;
}

}  // namespace

std::string Seal(std::string_view key, std::string_view value) {
  const XXH128_canonical_t digest = DigestOf(key, value);
  return {reinterpret_cast<const char*>(digest.digest), kSealBytes};
}

std::optional<std::string_view> Unseal(std::string_view key, std::string_view sealed) {
  if (sealed.size() < kSealBytes) return std::nullopt;
  const std::string_view value = sealed.substr(0, sealed.size() - kSealBytes);
  const XXH128_canonical_t digest = DigestOf(key, value);
  if (std::memcmp(digest.digest, sealed.data() + value.size(), kSealBytes) != 0) {
    return std::nullopt;
  }
  return value;
}

}  // namespace homolog::store
