// Names of results: the SHA-256 of everything that determines them.
//
// Thread-safety: belongs to one thread at a time.
#ifndef HOMOLOG_SERVER_RESULTS_REQUEST_DIGEST_H_
#define HOMOLOG_SERVER_RESULTS_REQUEST_DIGEST_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "common/digest.h"

namespace homolog::results {

// Hashes "key=length:value" fields in the order they are added, so that no two different requests
// read the same.
class RequestDigest {
 public:
  // `algorithm` names what is computed with its version ("correlation/1"): a change that changes a
  // number changes the version.
  explicit RequestDigest(std::string_view algorithm);
  RequestDigest& Add(std::string_view key, std::string_view value);
  RequestDigest& Add(std::string_view key, int64_t value);
  RequestDigest& Add(std::string_view key, uint64_t value);
  // Bit for bit.
  RequestDigest& Add(std::string_view key, double value);
  // 64 hexadecimal digits; ends the digest.
  std::string Finish();

 private:
  Sha256 sha_;
};

}  // namespace homolog::results

#endif  // HOMOLOG_SERVER_RESULTS_REQUEST_DIGEST_H_
