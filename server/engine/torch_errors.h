// The border at which libtorch's exceptions become statuses.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_ENGINE_TORCH_ERRORS_H_
#define HOMOLOG_SERVER_ENGINE_TORCH_ERRORS_H_

#include <exception>
#include <type_traits>

#include "absl/status/status.h"

namespace homolog::engine {

// The status of an exception in flight: RESOURCE_EXHAUSTED (reason OUT_OF_MEMORY) where memory ran
// out, UNAVAILABLE (reason DEVICE_LOST) after an error of a CUDA device that stays until the
// process ends, INTERNAL (reason TORCH_ERROR) with the first line of the message otherwise.
absl::Status TorchErrorToStatus(const std::exception& error);

// Calls `function`, which returns a Status or StatusOr, and turns an exception into a status.
template <typename Function>
std::invoke_result_t<Function> CatchTorch(Function&& function) {
  try {
    return function();
  } catch (const std::exception& error) {
    return TorchErrorToStatus(error);
  }
}

}  // namespace homolog::engine

#endif  // HOMOLOG_SERVER_ENGINE_TORCH_ERRORS_H_
