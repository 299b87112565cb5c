// The device that models run on.
//
// Thread-safety: pure functions, except UseWidestVectors and SetThreads.
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
// Debian's build starts with one. It holds for the calling thread: call it in every thread that
// computes, before its first tensor.
absl::StatusOr<int> SetThreads(int threads);

// Lets libtorch's elementwise kernels use AVX-512 where the processor has it: Debian's build keeps
// to AVX2, at half the speed for exponentials. An ATEN_CPU_CAPABILITY that is set already stays.
// Call it once in main, before the first thread and the first tensor.
void UseWidestVectors();

// Bytes of memory of the device: of the machine for the CPU.
int64_t DeviceMemoryBytes(c10::Device device);

// Bytes of a CUDA device's memory that are in use, by whomever; 0 for the CPU.
int64_t DeviceUsedBytes(c10::Device device);

}  // namespace homolog::engine

#endif  // HOMOLOG_SERVER_ENGINE_DEVICE_H_
