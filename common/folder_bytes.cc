#include "common/folder_bytes.h"

#include <filesystem>
#include <system_error>

namespace homolog {

// Each folder by itself: one that goes meanwhile ends the walk of its own files alone.
int64_t FolderBytes(const std::string& path, std::string_view extension) {
  namespace fs = std::filesystem;
  int64_t bytes = 0;
  std::error_code error;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    std::error_code gone;
    if (it->symlink_status(gone).type() == fs::file_type::directory) {
      bytes += FolderBytes(it->path().string(), extension);
      continue;
    }
    if (!extension.empty() && it->path().extension() != extension) continue;
    const auto size = it->is_regular_file(gone) ? it->file_size(gone) : 0;
    if (!gone) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}

}  // namespace homolog
