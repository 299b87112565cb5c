// A file's bytes in memory without copying them.
//
// Thread-safety: immutable; the bytes may be read from any thread.
#ifndef HOMOLOG_SERVER_CHECKPOINTS_MAPPED_FILE_H_
#define HOMOLOG_SERVER_CHECKPOINTS_MAPPED_FILE_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace homolog::checkpoints {

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

 private:
  MappedFile(std::string path, const char* data, size_t size);
  const std::string path_;
  const char* const data_;
  const size_t size_;
};

}  // namespace homolog::checkpoints

#endif  // HOMOLOG_SERVER_CHECKPOINTS_MAPPED_FILE_H_
