#include "server/analysis/rotation.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>

#include "server/analysis/gaussian_loop.h"
#include "server/analysis/random.h"

namespace homolog::analysis {
namespace {

// Calls `row(i)` for all rows, on several threads.
template <typename Row>
void ForEachRow(int64_t rows, const Row& row) {
  at::parallel_for(0, rows, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) row(i);
  });
}

// [size, size] float32 of independent standard normal numbers. A row of odd length leaves its last
// number out.
at::Tensor GaussianMatrix(int64_t size, uint64_t key) {
  const int64_t even = size + size % 2;
  at::Tensor matrix = at::empty({size, even}, at::kFloat);
  float* const out = matrix.data_ptr<float>();
  ForEachRow(size, [&](int64_t i) {
    GaussianLoop(key, static_cast<uint64_t>(i * even), even, out + i * even);
  });
  return even == size ? matrix : matrix.narrow(1, 0, size).contiguous();
}

at::Tensor HaarOrthogonal(const at::Tensor& gaussian) {
  const auto [q, r] = at::linalg_qr(gaussian);
  return q * at::sign(r.diagonal()).unsqueeze(0);
}

}  // namespace

at::Tensor RandomMatrix(BaselineKind kind, int64_t size, uint64_t seed, int64_t matrix,
                        int64_t layer) {
  const uint64_t key =
      RandomKey({seed, static_cast<uint64_t>(matrix), static_cast<uint64_t>(layer)});
  at::Tensor gaussian = GaussianMatrix(size, key);
  if (kind == BaselineKind::kOrthogonal) {
    return HaarOrthogonal(gaussian.to(at::kDouble)).to(at::kFloat);
  }
  return gaussian.mul_(1 / std::sqrt(static_cast<double>(size)));
}

}  // namespace homolog::analysis
