// The directory of a zip file as torch.save writes it: every record stored as it is, so that its
// bytes can be used where they lie in the mapped file.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_TENSORFILES_ZIP_DIRECTORY_H_
#define HOMOLOG_SERVER_TENSORFILES_ZIP_DIRECTORY_H_

#include <cstdint>
#include <map>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace homolog::tensorfiles {

struct ZipRecord {
  uint64_t begin = 0;  // byte offset of the data from the start of the file
  uint64_t size = 0;   // bytes
  uint32_t crc = 0;    // CRC-32 of the data, as the directory has it
};

// Records by name; the names are views into the file.
using ZipDirectory = std::map<std::string_view, ZipRecord>;

// Reads the central directory of a whole file's bytes, zip64 or not, and holds every local header
// against it. INVALID_ARGUMENT (reason MALFORMED_ZIP) with what is wrong where: no directory at the
// end, several disks, a record that is compressed or encrypted, beyond the file, over another one
// or there twice. Of the data it reads nothing.
absl::StatusOr<ZipDirectory> ParseZip(std::string_view file);

// INVALID_ARGUMENT (reason MALFORMED_ZIP) where the data of `record` is not what was written. For
// small records only: of the tensors' data it would read gigabytes before anybody asked for them,
// and the weights' digest covers them.
absl::Status CheckCrc(std::string_view file, std::string_view name, const ZipRecord& record);

}  // namespace homolog::tensorfiles

#endif  // HOMOLOG_SERVER_TENSORFILES_ZIP_DIRECTORY_H_
