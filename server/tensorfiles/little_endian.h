// Numbers of file formats, read byte by byte: they start anywhere.
//
// Thread-safety: a pure function.
#ifndef HOMOLOG_SERVER_TENSORFILES_LITTLE_ENDIAN_H_
#define HOMOLOG_SERVER_TENSORFILES_LITTLE_ENDIAN_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace homolog::tensorfiles {

// The unsigned number of the `size` bytes (at most 8) from `begin`, which the caller knows to be
// within `bytes`.
inline uint64_t LittleEndian(std::string_view bytes, size_t begin, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) {
    value |= uint64_t{static_cast<uint8_t>(bytes[begin + i])} << (8 * i);
  }
  return value;
}

}  // namespace homolog::tensorfiles

#endif  // HOMOLOG_SERVER_TENSORFILES_LITTLE_ENDIAN_H_
