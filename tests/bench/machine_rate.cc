#include "tests/bench/machine_rate.h"

#include <ATen/ATen.h>

#include "tests/bench/operation_count.h"

namespace homolog::bench {

bool HasBfloat16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

Timing TimeMatrixProduct(int64_t size, int repetitions) {
  const at::Tensor a = at::randn({size, size}), b = at::randn({size, size});
  at::Tensor sum = at::zeros({size, size});
  return Repeat(repetitions, [&] { sum.addmm_(a, b); });
}

double MatrixRate(int64_t size, int repetitions) {
  return ProductOperations(size, size, size) / TimeMatrixProduct(size, repetitions).min;
}

double SustainedMatrixRate(int64_t size, double seconds) {
  const at::Tensor a = at::randn({size, size}), b = at::randn({size, size});
  at::Tensor sum = at::zeros({size, size});
  const double start = Now();
  int products = 0;
  do {
    sum.addmm_(a, b);
    ++products;
  } while (Now() - start < seconds);
  return products * ProductOperations(size, size, size) / (Now() - start);
}

Timing TimeCopy(int64_t bytes, int repetitions) {
  const at::Tensor from = at::ones({bytes / 4});
  at::Tensor to = at::zeros_like(from);
  return Repeat(repetitions, [&] { to.copy_(from); });
}

}  // namespace homolog::bench
