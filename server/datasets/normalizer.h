// Unicode normalisation form C, as far as a stream of text needs it.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_DATASETS_NORMALIZER_H_
#define HOMOLOG_SERVER_DATASETS_NORMALIZER_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace homolog::datasets {

// Combining characters are sorted, which takes time in the square of how many follow each other.
inline constexpr size_t kMaxCombiningBytes = 4096;

// NFC of valid UTF-8 `text`. INVALID_ARGUMENT (reason MALFORMED_TEXT) where it goes on for more
// than kMaxCombiningBytes without a place where NfcBoundaryBefore holds: no language writes that.
absl::StatusOr<std::string> NormalizeNfc(std::string_view text);

// True where a text cut before `character` normalises in two parts as it does in one.
bool NfcBoundaryBefore(char32_t character);

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_NORMALIZER_H_
