// Reads a file piece by piece.
#ifndef HOMOLOG_CLIENT_CPP_FILE_SOURCE_H_
#define HOMOLOG_CLIENT_CPP_FILE_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace homolog::client {

// A file open for reading, from its beginning to its end, never whole in memory.
//
// Thread-safety: one thread at a time.
class FileSource {
 public:
  static constexpr size_t kPieceBytes = size_t{1} << 20;

  // Opens `path`: a file, or anything else that can be read (a pipe). NOT_FOUND,
  // PERMISSION_DENIED and so on where it cannot be.
  static absl::StatusOr<std::unique_ptr<FileSource>> Open(std::string path);
  ~FileSource();
  FileSource(const FileSource&) = delete;
  FileSource& operator=(const FileSource&) = delete;

  // The next bytes, kPieceBytes but for the last piece; "" at the end.
  absl::StatusOr<std::string> Next();
  // Bytes given so far.
  int64_t position() const { return position_; }
  // Bytes of the file when it was opened; 0 where that is not known.
  int64_t size() const { return size_; }

 private:
  FileSource(std::string path, int fd, int64_t size);

  const std::string path_;
  const int fd_;
  const int64_t size_;
  int64_t position_ = 0;
};

}  // namespace homolog::client

#endif  // HOMOLOG_CLIENT_CPP_FILE_SOURCE_H_
