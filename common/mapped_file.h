// A file's bytes in memory without copying them.
//
// Thread-safety: immutable; the bytes may be read from any thread.
#ifndef HOMOLOG_COMMON_MAPPED_FILE_H_
#define HOMOLOG_COMMON_MAPPED_FILE_H_

#include <sys/stat.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace homolog {

// Path, size, times and inode of a file: changes whenever it is replaced or written to. The path
// alone where there is none.
std::string FileSignature(const std::string& path);

class MappedFile {
 public:
  // Maps a regular file read-only. NOT_FOUND (reason FILE_NOT_FOUND) or UNAVAILABLE with the
  // system's word and the path.
  static absl::StatusOr<std::shared_ptr<const MappedFile>> Open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::string_view bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }
  // FileSignature of this very file as it was when it was opened.
  std::string signature() const;
  // False where the file was written to since. (Where it was replaced, its bytes stay.)
  bool Unchanged() const;
  // Gives back the memory of the whole pages within `size` bytes from `begin`, which count as
  // resident since they were read; they are read from the file again when somebody looks. `bytes()`
  // stays what it is.
  void Release(size_t begin, size_t size) const;

 private:
  MappedFile(std::string path, int fd, const struct stat& opened, const char* data);
  const std::string path_;
  const int fd_;
  const struct stat opened_;
  const char* const data_;
  const size_t size_;
};

}  // namespace homolog

#endif  // HOMOLOG_COMMON_MAPPED_FILE_H_
