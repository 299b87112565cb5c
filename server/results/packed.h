// Vectors of numbers as bytes, and back: as they lie in memory (little-endian).
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_RESULTS_PACKED_H_
#define HOMOLOG_SERVER_RESULTS_PACKED_H_

#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace homolog::results {

template <typename T>
std::string Pack(const std::vector<T>& values) {
  static_assert(std::is_trivially_copyable_v<T>);
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

// Nothing where `bytes` are no whole number of them.
template <typename T>
std::optional<std::vector<T>> Unpack(std::string_view bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (bytes.size() % sizeof(T) != 0) return std::nullopt;
  std::vector<T> values(bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

}  // namespace homolog::results

#endif  // HOMOLOG_SERVER_RESULTS_PACKED_H_
