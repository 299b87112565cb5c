// The header of a NumPy .npy file; private to this room.
// Source of the format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
//
// Thread-safety: pure functions and values.
#ifndef HOMOLOG_SERVER_DATASETS_NPY_HEADER_H_
#define HOMOLOG_SERVER_DATASETS_NPY_HEADER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace homolog::datasets {

enum class NpyType { kUint16, kInt32, kInt64 };

// Bytes per element.
int64_t NpyTypeSize(NpyType type);

struct NpyHeader {
  NpyType type = NpyType::kInt32;
  int64_t element_count = 0;  // times NpyTypeSize it fits an int64
};

// Parses the Python dictionary literal between the length and the data, for example
//   {'descr': '<i4', 'fortran_order': False, 'shape': (3, 4), }
// padded with white space. INVALID_ARGUMENT (reason MALFORMED_NPY) for what is not exactly such a
// dictionary with these three keys, or is not 1 or 2 dimensions of '<u2', '<i4' or '<i8' in C
// order.
absl::StatusOr<NpyHeader> ParseNpyHeader(std::string_view text);

// INVALID_ARGUMENT with reason MALFORMED_NPY.
absl::Status MalformedNpy(const std::string& what);

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_NPY_HEADER_H_
