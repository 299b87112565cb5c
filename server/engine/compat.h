// The one place where versions and builds of libtorch differ.
#ifndef HOMOLOG_SERVER_ENGINE_COMPAT_H_
#define HOMOLOG_SERVER_ENGINE_COMPAT_H_

#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/Device.h>

#include <cstdint>

#if defined(HOMOLOG_CUDA)
#include <cuda_runtime_api.h>
#endif

namespace homolog::engine {

// Bytes of a CUDA device's memory that are in use, by whomever; 0 in a build without CUDA.
inline int64_t CudaUsedBytes([[maybe_unused]] c10::Device device) {
#if defined(HOMOLOG_CUDA)
  size_t free_bytes = 0, total_bytes = 0;
  if (cudaSetDevice(device.index()) == cudaSuccess &&
      cudaMemGetInfo(&free_bytes, &total_bytes) == cudaSuccess) {
    return static_cast<int64_t>(total_bytes - free_bytes);
  }
#endif
  return 0;
}

// Bytes of memory of a CUDA device; 0 in a build without CUDA.
inline int64_t CudaMemoryBytes([[maybe_unused]] c10::Device device) {
#if defined(HOMOLOG_CUDA)
  cudaDeviceProp properties;
  if (cudaGetDeviceProperties(&properties, device.index()) == cudaSuccess) {
    return static_cast<int64_t>(properties.totalGlobalMem);
  }
#endif
  return 0;
}

}  // namespace homolog::engine

#endif  // HOMOLOG_SERVER_ENGINE_COMPAT_H_
