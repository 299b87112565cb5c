// Files that stand for others: what git leaves of a large file that was not fetched.
//
// Thread-safety: a pure function.
#ifndef HOMOLOG_COMMON_GIT_LFS_H_
#define HOMOLOG_COMMON_GIT_LFS_H_

#include <string_view>

#include "absl/status/status.h"

namespace homolog {

// INVALID_ARGUMENT (reason GIT_LFS_POINTER), with what to do, where `file` is a pointer of Git LFS
// in place of the content.
absl::Status RefuseLfsPointer(std::string_view file);

}  // namespace homolog

#endif  // HOMOLOG_COMMON_GIT_LFS_H_
