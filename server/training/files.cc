#include "server/training/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/error.h"

namespace homolog::training {
namespace {

namespace fs = std::filesystem;

std::error_code LastError() { return {errno, std::generic_category()}; }

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return ::fsync(fd) == 0;
}

// Makes the names in `folder` survive a power cut.
void SyncFolder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

absl::Status FileError(std::string_view what, const fs::path& path, const std::error_code& error) {
  return MakeError(absl::StatusCode::kInternal, "FILE_ERROR",
                   absl::StrCat(std::string(what), " ", path.string(), ": ", error.message(),
                                "; --out must be a folder that can be written and has room"),
                   {{"path", path.string()}});
}

absl::Status MakeFolder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  return error ? FileError("making the folder", path, error) : absl::OkStatus();
}

absl::Status RemoveAll(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  return error ? FileError("removing", path, error) : absl::OkStatus();
}

absl::Status WriteFile(const fs::path& path, std::string_view bytes) {
  const fs::path temporary =
      path.parent_path() / absl::StrCat(".", path.filename().string(), ".partial");
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return FileError("writing", temporary, LastError());
  const bool written = WriteAll(fd, bytes);
  const std::error_code error = LastError();
  ::close(fd);
  if (!written) return FileError("writing", temporary, error);
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return FileError("renaming to", path, LastError());
  }
  SyncFolder(path.parent_path());
  return absl::OkStatus();
}

absl::Status ReplaceFolder(const fs::path& from, const fs::path& to) {
  HOMOLOG_RETURN_IF_ERROR(RemoveAll(to));
  SyncFolder(from);
  std::error_code error;
  fs::rename(from, to, error);
  if (error) return FileError("renaming to", to, error);
  SyncFolder(to.parent_path());
  return absl::OkStatus();
}

}  // namespace homolog::training
