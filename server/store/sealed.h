// Values that carry their own digest: what is read is what was written, under the same key.
//
// The digest is XXH3-128 (xxhash.com) of the value, seeded with the XXH3-64 of its key, and follows
// the value as 16 bytes. It is made for accidents (disks, memory, code), not against somebody who
// can write the files: such a person could write the digest, too.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_STORE_SEALED_H_
#define HOMOLOG_SERVER_STORE_SEALED_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace homolog::store {

inline constexpr size_t kSealBytes = 16;

// The digest that belongs behind `value` under `key`.
std::string Seal(std::string_view key, std::string_view value);

// The value in `sealed`; nothing where the digest does not belong to it or to the key.
std::optional<std::string_view> Unseal(std::string_view key, std::string_view sealed);

}  // namespace homolog::store

#endif  // HOMOLOG_SERVER_STORE_SEALED_H_
