#include "common/folder_bytes.h"

#include <filesystem>
#include <system_error>

namespace homolog {

int64_t FolderBytes(const std::string& path, std::string_view extension) {
  int64_t bytes = 0;
  std::error_code error;
  using Iterator = std::filesystem::recursive_directory_iterator;
  for (Iterator it(path, error), end; !error && it != end; it.increment(error)) {
    if (!extension.empty() && it->path().extension() != extension) continue;
    std::error_code gone;
    const auto size = it->is_regular_file(gone) ? it->file_size(gone) : 0;
    if (!gone) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}

}  // namespace homolog
