#include "server/engine/torch_errors.h"

#include <algorithm>
#include <iterator>
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

// Errors after which every call of the process to the device fails (CUDA runtime API, error codes
// whose text says that the process must be terminated).
bool IsDeviceLost(const std::string& message) {
  constexpr absl::string_view kLasting[] = {
      "an illegal memory access was encountered",
      "device-side assert triggered",
      "unspecified launch failure",
      "uncorrectable ECC error encountered",
      "misaligned address",
      "an illegal instruction was encountered",
      "invalid program counter",
      "hardware stack error",
      "operation not supported on global/shared address space",
      "the launch timed out and was terminated",
      "GPU has fallen off the bus",
      "NVLink error was detected during execution"};
  if (!absl::StrContains(message, "CUDA")) return false;
  return std::any_of(std::begin(kLasting), std::end(kLasting),
                     [&](absl::string_view words) { return absl::StrContains(message, words); });
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
  if (IsDeviceLost(message)) {
    return MakeError(absl::StatusCode::kUnavailable, "DEVICE_LOST",
                     absl::StrCat("the device cannot be used any more: ", message,
                                  "; the server ends, and goes on after a restart"));
  }
  return MakeError(absl::StatusCode::kInternal, "TORCH_ERROR",
                   absl::StrCat("libtorch failed: ", message));
}

}  // namespace homolog::engine
