// Files and folders that are either complete or not there.
//
// Thread-safety: pure functions; the file system is shared.
#ifndef HOMOLOG_SERVER_TRAINING_FILES_H_
#define HOMOLOG_SERVER_TRAINING_FILES_H_

#include <filesystem>
#include <string_view>
#include <system_error>

#include "absl/status/status.h"

namespace homolog::training {

// INTERNAL (reason FILE_ERROR): `what` was to be done to `path` and failed with `error`.
absl::Status FileError(std::string_view what, const std::filesystem::path& path,
                       const std::error_code& error);

// Makes `path` and the folders above it.
absl::Status MakeFolder(const std::filesystem::path& path);
// Removes `path` and what is in it, where it is there.
absl::Status RemoveAll(const std::filesystem::path& path);
// Writes `bytes` beside `path`, syncs, and renames to `path`.
absl::Status WriteFile(const std::filesystem::path& path, std::string_view bytes);
// Renames the folder `from` to `to`, in place of what was there.
absl::Status ReplaceFolder(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace homolog::training

#endif  // HOMOLOG_SERVER_TRAINING_FILES_H_
