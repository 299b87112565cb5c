#include "client/cpp/file_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace homolog::client {

FileSource::FileSource(std::string path, int fd, int64_t size)
    : path_(std::move(path)), fd_(fd), size_(size) {}

FileSource::~FileSource() { close(fd_); }

absl::StatusOr<std::unique_ptr<FileSource>> FileSource::Open(std::string path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, "opening " + path);
  struct stat info;
  const bool known = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  return std::unique_ptr<FileSource>(new FileSource(std::move(path), fd, known ? info.st_size : 0));
}

absl::StatusOr<std::string> FileSource::Next() {
  std::string piece(kPieceBytes, '\0');
  size_t filled = 0;
  while (filled < piece.size()) {
    const ssize_t bytes = read(fd_, piece.data() + filled, piece.size() - filled);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return absl::ErrnoToStatus(errno, "reading " + path_);
    if (bytes == 0) break;
    filled += static_cast<size_t>(bytes);
  }
  piece.resize(filled);
  position_ += static_cast<int64_t>(filled);
  return piece;
}

}  // namespace homolog::client
