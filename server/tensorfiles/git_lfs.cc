#include "server/tensorfiles/git_lfs.h"

#include "common/error.h"

namespace homolog::tensorfiles {

absl::Status RefuseLfsPointer(std::string_view file) {
  if (!file.starts_with("version https://git-lfs")) return absl::OkStatus();
  return InvalidArgument(
      "GIT_LFS_POINTER",
      "the file is a pointer of Git LFS, not the weights it points to; run \"git "
      "lfs pull\" where it was cloned");
}

}  // namespace homolog::tensorfiles
