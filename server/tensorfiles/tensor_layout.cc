#include "server/tensorfiles/tensor_layout.h"

#include <algorithm>
#include <cstring>

namespace homolog::tensorfiles {
namespace {

// `count` elements of `Size` bytes that are `step` bytes apart. A constant size makes the copy one
// instruction.
template <size_t Size>
char* CopyRow(const char* from, int64_t step, int64_t count, char* out) {
  for (int64_t i = 0; i < count; ++i, from += step, out += Size) std::memcpy(out, from, Size);
  return out;
}

using RowCopier = char* (*)(const char*, int64_t, int64_t, char*);

RowCopier CopierOf(int64_t element_size) {
  switch (element_size) {
    case 1:
      return CopyRow<1>;
    case 2:
      return CopyRow<2>;
    case 4:
      return CopyRow<4>;
    default:
      return CopyRow<8>;
  }
}

}  // namespace

std::optional<int64_t> ElementCount(const std::vector<int64_t>& shape) {
  // No elements whatever the others are, also where their product would not fit.
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  int64_t count = 1;
  for (const int64_t size : shape) {
    if (__builtin_mul_overflow(count, size, &count)) return std::nullopt;
  }
  return count;
}

std::vector<int64_t> RowMajorStrides(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t d = shape.size(); d-- > 0;) {
    strides[d] = stride;
    // Unsigned: sizes beside a zero may overflow, and then no stride is ever used.
    stride = static_cast<int64_t>(static_cast<uint64_t>(stride) *
                                  static_cast<uint64_t>(std::max<int64_t>(shape[d], 1)));
  }
  return strides;
}

bool IsRowMajor(const TensorEntry& entry) {
  if (entry.extent == 0) return true;
  const std::vector<int64_t> strides = RowMajorStrides(entry.shape);
  for (size_t d = 0; d < strides.size(); ++d) {
    // The stride of the only index is never used.
    if (entry.shape[d] != 1 && entry.strides[d] != strides[d]) return false;
  }
  return true;
}

void CopyRowMajor(std::string_view file, const TensorEntry& entry, int64_t first, int64_t count,
                  char* out) {
  const int64_t element = SafetensorsDtypeSize(entry.dtype);
  const char* data = file.data() + entry.begin;
  if (IsRowMajor(entry)) {
    std::memcpy(out, data + first * element, static_cast<size_t>(count * element));
    return;
  }
  const RowCopier copy = CopierOf(element);
  const int64_t row = entry.shape.back();
  while (count > 0) {
    // The offset of element `first`, from its last index to its first.
    int64_t offset = 0, rest = first / row;
    for (size_t d = entry.shape.size() - 1; d-- > 0;) {
      offset += rest % entry.shape[d] * entry.strides[d];
      rest /= entry.shape[d];
    }
    const int64_t start = first % row, size = std::min(count, row - start);
    offset += start * entry.strides.back();
    out = copy(data + offset * element, entry.strides.back() * element, size, out);
    first += size;
    count -= size;
  }
}

}  // namespace homolog::tensorfiles
