// How much a folder holds.
//
// Thread-safety: pure functions; files may come and go meanwhile.
#ifndef HOMOLOG_COMMON_FOLDER_BYTES_H_
#define HOMOLOG_COMMON_FOLDER_BYTES_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace homolog {

// Sum of the sizes of the regular files in `path` and below whose names end with `extension`
// (".log"; empty: all), in bytes. 0 where there is no such folder.
int64_t FolderBytes(const std::string& path, std::string_view extension = "");

}  // namespace homolog

#endif  // HOMOLOG_COMMON_FOLDER_BYTES_H_
