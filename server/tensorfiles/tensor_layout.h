// Where the elements of a tensor are in a file.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_TENSORFILES_TENSOR_LAYOUT_H_
#define HOMOLOG_SERVER_TENSORFILES_TENSOR_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/safetensors.h"

namespace homolog::tensorfiles {

struct TensorEntry {
  std::string name;
  SafetensorsDtype dtype = SafetensorsDtype::kF32;
  std::vector<int64_t> shape;  // empty: a scalar
  std::vector<int64_t>
      strides;         // elements from one index to the next, at least 0; as long as shape
  size_t file = 0;     // which of the files that were opened together
  int64_t begin = 0;   // byte offset of the first element from the start of that file
  int64_t extent = 0;  // bytes from there to the end of the last element in the file
};

// The product of `shape`, whose sizes are at least 0. Nothing where it does not fit.
std::optional<int64_t> ElementCount(const std::vector<int64_t>& shape);

// The strides of a tensor of `shape` whose elements lie one after another, the last index fastest.
// ElementCount(shape) is known to fit.
std::vector<int64_t> RowMajorStrides(const std::vector<int64_t>& shape);

// Whether the elements of `entry` lie one after another, the last index fastest.
bool IsRowMajor(const TensorEntry& entry);

// Copies `count` elements of `entry` from the `first` on, in row-major order, from the bytes of its
// file to `out`. All of it is known to be within the tensor, and the tensor within the file.
void CopyRowMajor(std::string_view file, const TensorEntry& entry, int64_t first, int64_t count,
                  char* out);

}  // namespace homolog::tensorfiles

#endif  // HOMOLOG_SERVER_TENSORFILES_TENSOR_LAYOUT_H_
