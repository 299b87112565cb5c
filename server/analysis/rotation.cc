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

at::Tensor RowsOfLengthOne(at::Tensor matrix) {
  const int64_t size = matrix.size(1);
  float* const out = matrix.data_ptr<float>();
  ForEachRow(matrix.size(0), [&](int64_t i) {
    float* const row = out + i * size;
    const auto scale = static_cast<float>(1 / std::sqrt(SumOfSquaresLoop(row, size)));
    for (int64_t j = 0; j < size; ++j) row[j] *= scale;
  });
  return matrix;
}

at::Tensor HaarOrthogonal(const at::Tensor& gaussian) {
  const auto [q, r] = at::linalg_qr(gaussian);
  return q * at::sign(r.diagonal()).unsqueeze(0);
}

}  // namespace

at::Tensor RandomRotation(BaselineKind kind, int64_t size, uint64_t seed, int64_t rotation,
                          int64_t layer) {
  const uint64_t key =
      RandomKey({seed, static_cast<uint64_t>(rotation), static_cast<uint64_t>(layer)});
  const at::Tensor gaussian = GaussianMatrix(size, key);
  return kind == BaselineKind::kOrthogonal ? HaarOrthogonal(gaussian.to(at::kDouble)).to(at::kFloat)
                                           : RowsOfLengthOne(gaussian);
}

}  // namespace homolog::analysis
