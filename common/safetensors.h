// The safetensors file format: 8 bytes little-endian length of a JSON header, the header (tensor
// name -> dtype, shape, data_offsets relative to the end of the header; optional "__metadata__" of
// strings), then the tensors' bytes, row-major little-endian, without gaps or overlaps.
//
// The reader is strict: a file is input from outside. The writer produces what
// safetensors.torch.load_file reads.
//
// Thread-safety: the functions are pure; a writer belongs to one thread at a time.
#ifndef HOMOLOG_COMMON_SAFETENSORS_H_
#define HOMOLOG_COMMON_SAFETENSORS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace homolog {

enum class SafetensorsDtype { kF64, kF32, kF16, kBF16, kI64, kI32, kI16, kI8, kU8, kBool };

// "F32" and so on, as in the header.
std::string_view SafetensorsDtypeName(SafetensorsDtype dtype);
// Bytes per element.
int64_t SafetensorsDtypeSize(SafetensorsDtype dtype);

struct SafetensorsEntry {
  std::string name;
  SafetensorsDtype dtype = SafetensorsDtype::kF32;
  std::vector<int64_t> shape;  // empty: a scalar
  int64_t begin = 0;           // byte offset from the start of the file
  int64_t size = 0;            // bytes
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // ordered by `begin`
  std::map<std::string, std::string> metadata;
};

// Reads the header of a whole file's bytes (usually mapped). INVALID_ARGUMENT (reason
// MALFORMED_SAFETENSORS) with what is wrong where: the file is shorter than its header says, the
// header is longer than 100 MB or not a JSON object, a key stands twice, a dtype is unknown, a
// shape has a negative or overflowing size, a range does not fit its dtype and shape, ranges
// overlap, leave gaps or leave the file.
absl::StatusOr<SafetensorsHeader> ParseSafetensors(std::string_view file);

// Writes a file whose tensors are known by shape beforehand and whose bytes come in any order.
// Written beside `path` and renamed by Finish; destroyed without Finish, it leaves nothing.
class SafetensorsWriter {
 public:
  // `entries`: name, dtype and shape; begin and size are ignored and computed.
  static absl::StatusOr<std::unique_ptr<SafetensorsWriter>> Create(
      std::string path, std::vector<SafetensorsEntry> entries,
      std::map<std::string, std::string> metadata = {});
  ~SafetensorsWriter();

  // Writes `bytes` at `offset` bytes into tensor `index`. OUT_OF_RANGE beyond the tensor.
  absl::Status Write(size_t index, int64_t offset, std::string_view bytes);
  // Syncs and renames to the final path. INTERNAL where bytes of a tensor were never written.
  absl::Status Finish();

 private:
  SafetensorsWriter() = default;
  std::string path_;
  std::string temporary_path_;
  int fd_ = -1;
  std::vector<SafetensorsEntry> entries_;
  // Per tensor: what has been written, as disjoint ranges [first, second) that do not touch.
  std::vector<std::map<int64_t, int64_t>> written_;
};

}  // namespace homolog

#endif  // HOMOLOG_COMMON_SAFETENSORS_H_
