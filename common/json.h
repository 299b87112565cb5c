// JSON from outside: files of a checkpoint, lines of an upload.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_COMMON_JSON_H_
#define HOMOLOG_COMMON_JSON_H_

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "absl/status/statusor.h"

namespace homolog {

// Parses `text`, at most `byte_limit` bytes nested at most 64 levels deep, so that what comes out
// takes memory in proportion and can be walked by recursion. INVALID_ARGUMENT (reason
// MALFORMED_JSON) with what is wrong, without the name of the file.
absl::StatusOr<nlohmann::json> ParseJson(std::string_view text, size_t byte_limit);

}  // namespace homolog

#endif  // HOMOLOG_COMMON_JSON_H_
