// What a fuzz target demands.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_TESTS_FUZZ_CHECK_H_
#define HOMOLOG_TESTS_FUZZ_CHECK_H_

#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "common/error.h"
#include "common/text.h"

namespace homolog::fuzz {

// Ends the process where `condition` is false; the fuzzer shows the stack.
inline void Check(bool condition) {
  if (!condition) std::abort();
}

// That an error can be shown to people and to programs.
inline void CheckMessage(const absl::Status& status) {
  const std::string message(status.message());
  Check(!message.empty() && message.size() < 4096 && IsValidUtf8(message));
  Check(!ErrorReason(status).empty());
}

}  // namespace homolog::fuzz

#endif  // HOMOLOG_TESTS_FUZZ_CHECK_H_
