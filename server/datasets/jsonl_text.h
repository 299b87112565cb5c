// The text of one line of JSON lines.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_DATASETS_JSONL_TEXT_H_
#define HOMOLOG_SERVER_DATASETS_JSONL_TEXT_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace homolog::datasets {

// The string "text" of the JSON object `line`; of several, the last. Other values are checked and
// dropped as they are read: memory stays within a few times the longest string. INVALID_ARGUMENT
// (reason MALFORMED_JSONL) with what is wrong, without the line's number.
absl::StatusOr<std::string> TextOfJsonLine(std::string_view line);

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_JSONL_TEXT_H_
