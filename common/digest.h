// Digests and checksums.
//
// Thread-safety: the functions are pure; a Sha256 belongs to one thread at a time.
#ifndef HOMOLOG_COMMON_DIGEST_H_
#define HOMOLOG_COMMON_DIGEST_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace homolog {

// SHA-256 (FIPS 180-4) of a stream of bytes.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void Update(std::string_view bytes);
  // The digest of everything so far as 64 lower-case hexadecimal digits; ends the stream.
  std::string HexDigest();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// SHA-256 of `bytes` as 64 lower-case hexadecimal digits.
std::string Sha256Hex(std::string_view bytes);

// CRC-32C (Castagnoli, RFC 3720), as stored beside a chunk of tensor data.
uint32_t Crc32c(std::string_view bytes);
// CRC-32 (IEEE 802.3), as stored in a zip file.
uint32_t Crc32(std::string_view bytes);

}  // namespace homolog

#endif  // HOMOLOG_COMMON_DIGEST_H_
