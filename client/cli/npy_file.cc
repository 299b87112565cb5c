#include "client/cli/npy_file.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace homolog::cli {
namespace {

constexpr std::string_view kMagic("\x93NUMPY\x01\x00", 8);
// Where the numbers begin is a multiple of this.
constexpr size_t kAlignment = 64;

const char* TypeText(v1::ColumnType type) {
  switch (type) {
    case v1::COLUMN_TYPE_UINT8:
      return "|u1";
    case v1::COLUMN_TYPE_INT32:
      return "<i4";
    case v1::COLUMN_TYPE_UINT32:
      return "<u4";
    case v1::COLUMN_TYPE_INT64:
      return "<i8";
    default:
      return "<f4";
  }
}

}  // namespace

std::string NpyHeader(v1::ColumnType type, const std::vector<int64_t>& shape) {
  // A Python tuple of one has a comma.
  std::string dictionary =
      absl::StrCat("{'descr': '", TypeText(type), "', 'fortran_order': False, 'shape': (",
                   absl::StrJoin(shape, ", "), shape.size() == 1 ? ",), }" : "), }");
  const size_t unpadded = kMagic.size() + sizeof(uint16_t) + dictionary.size() + 1;
  dictionary.append((kAlignment - unpadded % kAlignment) % kAlignment, ' ');
  dictionary += '\n';
  std::string header(kMagic);
  header += static_cast<char>(dictionary.size() & 0xFF);
  header += static_cast<char>(dictionary.size() >> 8);
  return header + dictionary;
}

int64_t NumberSize(v1::ColumnType type) {
  switch (type) {
    case v1::COLUMN_TYPE_UINT8:
      return 1;
    case v1::COLUMN_TYPE_INT32:
    case v1::COLUMN_TYPE_UINT32:
    case v1::COLUMN_TYPE_FLOAT32:
      return 4;
    case v1::COLUMN_TYPE_INT64:
      return 8;
    default:
      return 0;
  }
}

}  // namespace homolog::cli
