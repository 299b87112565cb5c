#include "server/engine/torch_errors.h"

#include <new>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/error.h"

namespace homolog::engine {
namespace {

// libtorch 1.13 has no exception type of its own for memory on the CPU: its allocator's words
// decide.
bool IsOutOfMemory(const std::exception& error, const std::string& message) {
  return dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
         absl::StrContains(message, "out of memory") ||
         absl::StrContains(message, "not enough memory") ||
         absl::StrContains(message, "can't allocate memory");
}

}  // namespace

absl::Status TorchErrorToStatus(const std::exception& error) {
  std::string message = error.what();
  const bool out_of_memory = IsOutOfMemory(error, message);
  message = message.substr(0, message.find('\n'));
  if (out_of_memory) {
    return ResourceExhausted("OUT_OF_MEMORY",
                             absl::StrCat("the device's memory ran out: ", message,
                                          "; unload checkpoints or ask for fewer partners"));
  }
  return MakeError(absl::StatusCode::kInternal, "TORCH_ERROR",
                   absl::StrCat("libtorch failed: ", message));
}

}  // namespace homolog::engine
