#include "common/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "common/error.h"

namespace homolog {
namespace {

absl::Status SystemError(const std::string& path, int error) {
  if (error == ENOENT) {
    return NotFound("FILE_NOT_FOUND", absl::StrCat("there is no file ", path), {{"path", path}});
  }
  return MakeError(absl::StatusCode::kUnavailable, "FILE_UNREADABLE",
                   absl::StrCat("cannot read ", path, ": ", std::strerror(error)),
                   {{"path", path}});
}

absl::Status NotAFile(const std::string& path) {
  return MakeError(absl::StatusCode::kUnavailable, "FILE_UNREADABLE",
                   absl::StrCat("cannot read ", path, ": it must be a regular file"),
                   {{"path", path}});
}

std::string SignatureOf(const std::string& path, const struct stat& s) {
  return absl::StrCat(path, "|", s.st_size, "|", s.st_ino, "|", s.st_mtim.tv_sec, ".",
                      s.st_mtim.tv_nsec, "|", s.st_ctim.tv_sec, ".", s.st_ctim.tv_nsec);
}

}  // namespace

std::string FileSignature(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 ? SignatureOf(path, status) : path;
}

absl::StatusOr<std::shared_ptr<const MappedFile>> MappedFile::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return SystemError(path, errno);
  absl::Cleanup close_fd = [fd] { close(fd); };
  struct stat status;
  if (fstat(fd, &status) != 0) return SystemError(path, errno);
  if (!S_ISREG(status.st_mode)) return NotAFile(path);
  const auto size = static_cast<size_t>(status.st_size);
  const char* data = nullptr;
  if (size > 0) {
    void* mapped = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (mapped == MAP_FAILED) return SystemError(path, errno);
    data = static_cast<const char*>(mapped);
    // Huge pages would map two megabytes at a touch, of which Release could give back only all.
    madvise(mapped, size, MADV_NOHUGEPAGE);
  }
  std::move(close_fd).Cancel();
  return std::shared_ptr<const MappedFile>(new MappedFile(path, fd, status, data));
}

MappedFile::MappedFile(std::string path, int fd, const struct stat& opened, const char* data)
    : path_(std::move(path)),
      fd_(fd),
      opened_(opened),
      data_(data),
      size_(data == nullptr ? 0 : static_cast<size_t>(opened.st_size)) {}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(const_cast<char*>(data_), size_);
  close(fd_);
}

std::string MappedFile::signature() const { return SignatureOf(path_, opened_); }

bool MappedFile::Unchanged() const {
  struct stat now;
  return fstat(fd_, &now) == 0 && now.st_size == opened_.st_size &&
         now.st_mtim.tv_sec == opened_.st_mtim.tv_sec &&
         now.st_mtim.tv_nsec == opened_.st_mtim.tv_nsec;
}

void MappedFile::Release(size_t begin, size_t size) const {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  begin = std::min(begin, size_);
  const size_t end = begin + std::min(size, size_ - begin);
  const size_t first = (begin + page - 1) / page * page;
  // The file's last page is whole as well: nothing but zeros follows.
  const size_t last = end == size_ ? end : end / page * page;
  // Where the system will not, the pages merely stay.
  if (first < last) madvise(const_cast<char*>(data_) + first, last - first, MADV_DONTNEED);
}

}  // namespace homolog
