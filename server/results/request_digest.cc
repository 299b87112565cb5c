#include "server/results/request_digest.h"

#include <bit>

#include "absl/strings/str_cat.h"

namespace homolog::results {

RequestDigest::RequestDigest(std::string_view algorithm) { Add("algorithm", algorithm); }

RequestDigest& RequestDigest::Add(std::string_view key, std::string_view value) {
  sha_.Update(key);
  sha_.Update(absl::StrCat("=", value.size(), ":"));
  sha_.Update(value);
  sha_.Update("\n");
  return *this;
}

RequestDigest& RequestDigest::Add(std::string_view key, int64_t value) {
  return Add(key, std::string_view(std::to_string(value)));
}

RequestDigest& RequestDigest::Add(std::string_view key, uint64_t value) {
  return Add(key, std::string_view(std::to_string(value)));
}

RequestDigest& RequestDigest::Add(std::string_view key, double value) {
  return Add(key, std::bit_cast<uint64_t>(value));
}

std::string RequestDigest::Finish() { return sha_.HexDigest(); }

}  // namespace homolog::results
