#include "server/checkpoints/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/error.h"

namespace homolog::checkpoints {
namespace {

absl::Status SystemError(const std::string& path, int error) {
  if (error == ENOENT) {
    return NotFound("FILE_NOT_FOUND", absl::StrCat("there is no file ", path), {{"path", path}});
  }
  return MakeError(absl::StatusCode::kUnavailable, "FILE_UNREADABLE",
                   absl::StrCat("cannot read ", path, ": ", std::strerror(error)),
                   {{"path", path}});
}

}  // namespace

absl::StatusOr<std::shared_ptr<const MappedFile>> MappedFile::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return SystemError(path, errno);
  const absl::Cleanup close_fd = [fd] { close(fd); };
  struct stat status;
  if (fstat(fd, &status) != 0) return SystemError(path, errno);
  if (!S_ISREG(status.st_mode)) return SystemError(path, EINVAL);
  const auto size = static_cast<size_t>(status.st_size);
  const char* data = nullptr;
  if (size > 0) {
    void* mapped = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (mapped == MAP_FAILED) return SystemError(path, errno);
    data = static_cast<const char*>(mapped);
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path, data, size));
}

MappedFile::MappedFile(std::string path, const char* data, size_t size)
    : path_(std::move(path)), data_(data), size_(size) {}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<char*>(data_), size_);
}

}  // namespace homolog::checkpoints
