#include "common/git_lfs.h"

#include "common/error.h"

namespace homolog {

absl::Status RefuseLfsPointer(std::string_view file) {
  if (!file.starts_with("version https://git-lfs")) return absl::OkStatus();
  return InvalidArgument(
      "GIT_LFS_POINTER",
      "the file is a pointer of Git LFS, not the content that it stands for; run \"git "
      "lfs pull\" where it was cloned");
}

}  // namespace homolog
