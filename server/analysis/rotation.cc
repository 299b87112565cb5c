#include "server/analysis/rotation.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <cmath>
#include <numbers>

#include "server/analysis/random.h"

namespace homolog::analysis {
namespace {

// [rows, columns] float64 of independent standard normal numbers (Box and Muller 1958).
at::Tensor GaussianMatrix(int64_t rows, int64_t columns, uint64_t key) {
  at::Tensor matrix = at::empty({rows, columns}, at::kDouble);
  double* out = matrix.data_ptr<double>();
  at::parallel_for(0, rows, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * columns; i < end * columns; ++i) {
      const double radius = std::sqrt(-2.0 * std::log(UniformFromBits(RandomBits(key, 2 * i))));
      const double angle = 2 * std::numbers::pi * UniformFromBits(RandomBits(key, 2 * i + 1));
      out[i] = radius * std::cos(angle);
    }
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
  const at::Tensor gaussian = GaussianMatrix(size, size, key);
  const at::Tensor matrix = kind == BaselineKind::kOrthogonal
                                ? HaarOrthogonal(gaussian)
                                : gaussian / gaussian.norm(2, 1, true);
  return matrix.to(at::kFloat);
}

}  // namespace homolog::analysis
