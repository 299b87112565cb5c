// The device that models run on.
//
// Thread-safety: pure functions, except SetThreads (call once, before the first tensor).
#ifndef HOMOLOG_SERVER_ENGINE_DEVICE_H_
#define HOMOLOG_SERVER_ENGINE_DEVICE_H_

#include <c10/core/Device.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace homolog::engine {

// "auto" (the first CUDA device, else the CPU), "cpu" or "cuda:N". INVALID_ARGUMENT (reason
// INVALID_DEVICE) for anything else and for a CUDA device that is not there.
absl::StatusOr<c10::Device> ParseDevice(const std::string& text);

// Sets libtorch's intra-op threads: 1 to 1024, or 0 for one per core. Returns the number set.
// Debian's build starts with one.
absl::StatusOr<int> SetThreads(int threads);

// Bytes of memory of the device: of the machine for the CPU.
int64_t DeviceMemoryBytes(c10::Device device);

}  // namespace homolog::engine

#endif  // HOMOLOG_SERVER_ENGINE_DEVICE_H_
