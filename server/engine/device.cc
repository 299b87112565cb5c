#include "server/engine/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "common/error.h"
#include "server/engine/compat.h"

namespace homolog::engine {
namespace {

int64_t CudaDeviceCount() { return at::hasCUDA() ? at::detail::getCUDAHooks().getNumGPUs() : 0; }

}  // namespace

absl::StatusOr<c10::Device> ParseDevice(const std::string& text) {
  if (text == "cpu") return c10::Device(c10::kCPU);
  const int64_t devices = CudaDeviceCount();
  if (text == "auto") {
    return devices > 0 ? c10::Device(c10::kCUDA, 0) : c10::Device(c10::kCPU);
  }
  absl::string_view index = text;
  int number = -1;
  if (absl::ConsumePrefix(&index, "cuda:") && absl::SimpleAtoi(index, &number) && number >= 0 &&
      number < devices) {
    return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(number));
  }
  return InvalidArgument(
      "INVALID_DEVICE",
      absl::StrCat("device \"", text, "\": must be auto, cpu or cuda:N with N below ", devices,
                   ", the number of CUDA devices here"),
      {{"device", text}});
}

absl::StatusOr<int> SetThreads(int threads) {
  if (threads < 0 || threads > 1024) {
    return InvalidArgument("INVALID_THREADS", absl::StrCat("threads is ", threads,
                                                           "; must be 0 (one per core) to 1024"));
  }
  if (threads == 0) threads = std::max(1u, std::thread::hardware_concurrency());
  at::set_num_threads(threads);
  return threads;
}

void UseWidestVectors() {
#if defined(__x86_64__)
  // What libtorch's kernels were compiled for; it does not look itself where it is told.
  const bool available = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                         __builtin_cpu_supports("fma");
  if (available) setenv("ATEN_CPU_CAPABILITY", "avx512", /*overwrite=*/0);
#endif
}

int64_t DeviceUsedBytes(c10::Device device) { return device.is_cuda() ? CudaUsedBytes(device) : 0; }

int64_t DeviceMemoryBytes(c10::Device device) {
  if (device.is_cuda()) return CudaMemoryBytes(device);
  return static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGE_SIZE);
}

}  // namespace homolog::engine
