// Linear CKA between layers of two models (Kornblith et al. 2019, arXiv:1905.00414), from the same
// moments as the correlations: |cov(a, b)|^2 / (|cov(a, a)| |cov(b, b)|), Frobenius norms.
//
// Everything is in units of a layer's largest scale (see Standardiser::RelativeScale), which
// cancels.
//
// Thread-safety: pure functions. They throw what libtorch throws.
#ifndef HOMOLOG_SERVER_ANALYSIS_LAYER_SIMILARITY_H_
#define HOMOLOG_SERVER_ANALYSIS_LAYER_SIMILARITY_H_

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace homolog::analysis {

// The squared Frobenius norm of products [row, column] times a scale per row and column.
inline double SquaredNorm(const at::Tensor& products, const at::Tensor& row_scale,
                          const at::Tensor& column_scale) {
  return (products * column_scale)
      .mul_(row_scale.unsqueeze(1))
      .to(at::kDouble)
      .square_()
      .sum()
      .item<double>();
}

// Of layers of two models whose own squared norms and whose cross squared norm are given.
inline float LinearCka(double cross, double row, double column) {
  const double own = std::sqrt(row) * std::sqrt(column);
  if (!(own > 0 && std::isfinite(own) && std::isfinite(cross))) return 0;
  return static_cast<float>(std::min(1.0, cross / own));
}

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_LAYER_SIMILARITY_H_
