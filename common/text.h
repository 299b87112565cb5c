// Text from outside made fit to be shown: in error messages, logs and protocol buffers, whose
// strings must be UTF-8.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_COMMON_TEXT_H_
#define HOMOLOG_COMMON_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace homolog {

// `text` with every byte that is no part of valid UTF-8 (RFC 3629) replaced.
std::string ValidUtf8(std::string_view text, std::string_view replacement = "?");
// True where ValidUtf8 would change nothing.
bool IsValidUtf8(std::string_view text);

// The first `max_bytes` of valid UTF-8 `text`, cut between characters and ending in "..." where
// something was left out.
std::string CutUtf8(std::string_view text, size_t max_bytes);

// `value` for an error message: in double quotes, everything but printable ASCII escaped as in C,
// and cut to its first 100 bytes.
std::string Quoted(std::string_view value);

}  // namespace homolog

#endif  // HOMOLOG_COMMON_TEXT_H_
