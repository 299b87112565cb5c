// What a fuzz target demands.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_TESTS_FUZZ_CHECK_H_
#define HOMOLOG_TESTS_FUZZ_CHECK_H_

#include <cstdlib>
#include <iostream>
#include <source_location>
#include <string>

#include "absl/status/status.h"
#include "common/error.h"
#include "common/text.h"

namespace homolog::fuzz {

// Ends the process where `condition` is false.
inline void Check(bool condition, std::source_location where = std::source_location::current()) {
  if (condition) return;
  std::cerr << where.file_name() << ":" << where.line() << ": the check failed\n";
  std::abort();
}

// That an error can be shown to people and to programs.
inline void CheckMessage(const absl::Status& status,
                         std::source_location where = std::source_location::current()) {
  const std::string message(status.message());
  Check(!message.empty() && message.size() < 4096 && IsValidUtf8(message), where);
  Check(!ErrorReason(status).empty(), where);
}

}  // namespace homolog::fuzz

#endif  // HOMOLOG_TESTS_FUZZ_CHECK_H_
