#include "server/analysis/baseline.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>

#include "common/error.h"
#include "server/analysis/column_loops.h"
#include "server/analysis/rotation.h"
#include "server/analysis/to_vector.h"

namespace homolog::analysis {
namespace {

// Rows of products that are rotated at once: what comes out stays in the cache.
constexpr int64_t kRows = 1024;

// Forms: R and T R of every matrix R, as many as the rotations need.
int64_t FormsPerMatrix(const CorrelationOptions& options) {
  return options.pairing == Pairing::kBest ? 2 : 1;
}

int64_t FormCount(const CorrelationOptions& options) {
  return options.pairing == Pairing::kBest ? (options.rotations + 1) / 2 : options.rotations;
}

at::Tensor InverseRoot(const at::Tensor& variance) {
  return at::where(variance > 0, variance.rsqrt(), at::zeros_like(variance));
}

}  // namespace

int64_t MatrixCount(const CorrelationOptions& options) {
  return (FormCount(options) + FormsPerMatrix(options) - 1) / FormsPerMatrix(options);
}

int64_t BaselineScratchBytes(int64_t d_mlp, const CorrelationOptions& options) {
  // A matrix, its map and one variance's product, with their mixtures, or a norm in float64; for
  // orthogonal ones their decomposition in float64; and rotated rows, mixed rows and their parts.
  const int64_t squares = options.baseline == BaselineKind::kOrthogonal ? 12 : 8;
  return squares * d_mlp * d_mlp * 4 + 3 * kRows * d_mlp * 4;
}

double BaselineMultiplications(int64_t rows, int64_t columns, int64_t d_mlp,
                               const CorrelationOptions& options) {
  const auto products = static_cast<double>(rows) * static_cast<double>(columns);
  const auto matrices = static_cast<double>(MatrixCount(options));
  if (options.pairing == Pairing::kSameIndex) return products * matrices;
  const double mixtures = static_cast<double>(FormCount(options)) - matrices;
  return products *
         (static_cast<double>(d_mlp) * matrices +
          NeighbourMixture::Multiplications(d_mlp) / static_cast<double>(d_mlp) * mixtures);
}

RotatedDeviations::RotatedDeviations(const engine::ModelShape& shape,
                                     const CorrelationOptions& options, at::Device device)
    : shape_(shape),
      options_(options),
      inverse_(at::zeros({FormCount(options), shape.neurons()},
                         at::TensorOptions().dtype(at::kFloat).device(device))) {}

int64_t RotatedDeviations::Bytes(const engine::ModelShape& shape,
                                 const CorrelationOptions& options) {
  return FormCount(options) * shape.neurons() * 4;
}

double RotatedDeviations::Multiplications(int64_t d_mlp, const CorrelationOptions& options) {
  const auto size = static_cast<double>(d_mlp);
  return size * size * size * static_cast<double>(MatrixCount(options));
}

absl::Status RotatedDeviations::SetLayer(int64_t layer, const at::Tensor& covariance,
                                         RunControl& control) {
  const NeighbourMixture mixture(shape_.d_mlp, covariance.device());
  for (int64_t matrix = 0; matrix < MatrixCount(options_); ++matrix) {
    HOMOLOG_RETURN_IF_ERROR(control.Check());
    const at::Tensor r = RandomMatrix(options_.baseline, shape_.d_mlp, options_.seed, matrix, layer)
                             .to(covariance.device())
                             .t();
    const at::Tensor product = at::mm(covariance, r);  // a column per rotated neuron, as r
    at::Tensor inverse = Inverse(matrix, layer);
    inverse[0].copy_(InverseRoot((product * r).sum(0)));
    if (inverse.size(0) == 1) continue;
    inverse[1].copy_(InverseRoot(mixture.Columns(product).mul_(mixture.Columns(r)).sum(0)));
  }
  return absl::OkStatus();
}

at::Tensor RotatedDeviations::Inverse(int64_t matrix, int64_t layer) const {
  const int64_t per_matrix = FormsPerMatrix(options_), first = matrix * per_matrix;
  return inverse_.narrow(0, first, std::min(per_matrix, inverse_.size(0) - first))
      .narrow(1, layer * shape_.d_mlp, shape_.d_mlp);
}

BaselineAccumulator::BaselineAccumulator(int64_t neurons, const CorrelationOptions& options,
                                         at::Device device)
    : options_(options),
      largest_(at::full({options.rotations, neurons}, -std::numeric_limits<float>::infinity(),
                        at::TensorOptions().dtype(at::kFloat).device(device))) {}

int64_t BaselineAccumulator::Bytes(int64_t neurons, const CorrelationOptions& options) {
  return options.rotations * neurons * 4;
}

void BaselineAccumulator::Add(int64_t matrix, int64_t first, const at::Tensor& products,
                              const at::Tensor& map, const at::Tensor& inverse_deviations,
                              const NeighbourMixture& mixture) {
  if (options_.pairing == Pairing::kSameIndex) {
    const at::Tensor rotated = (products * map).sum(1) * inverse_deviations[0];
    largest_[matrix].narrow(0, first, rotated.size(0)).copy_(rotated);
    return;
  }
  for (int64_t row = 0; row < products.size(0); row += kRows) {
    const int64_t rows = std::min(kRows, products.size(0) - row);
    const at::Tensor rotated = at::mm(products.narrow(0, row, rows), map.t());
    AddBest(4 * matrix, first + row, rotated, inverse_deviations[0]);
    if (inverse_deviations.size(0) == 1) continue;
    AddBest(4 * matrix + 2, first + row, mixture.Columns(rotated), inverse_deviations[1]);
  }
}

// rotated: [rows, rotated neuron], still to be divided by the rotated neurons' deviations. The
// rotation after this one is its negative.
void BaselineAccumulator::AddBest(int64_t rotation, int64_t first, const at::Tensor& rotated,
                                  const at::Tensor& inverse_deviation) {
  const int64_t rows = rotated.size(0), columns = rotated.size(1);
  at::Tensor plus = largest_[rotation].narrow(0, first, rows), minus;
  if (rotation + 1 < options_.rotations) minus = largest_[rotation + 1].narrow(0, first, rows);
  if (!rotated.device().is_cpu() || options_.portable) {
    const auto [smallest, largest] = at::aminmax(rotated * inverse_deviation, 1);
    plus.copy_(at::maximum(plus, largest));
    if (minus.defined()) minus.copy_(at::maximum(minus, -smallest));
    return;
  }
  const at::Tensor factor = inverse_deviation.contiguous();
  float* const up = plus.data_ptr<float>();
  float* const down = minus.defined() ? minus.data_ptr<float>() : nullptr;
  at::parallel_for(0, rows, 32, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const Extremes extremes = ScaledExtremes(rotated.data_ptr<float>() + row * columns,
                                               factor.data_ptr<float>(), columns);
      up[row] = std::max(up[row], extremes.largest);
      if (down != nullptr) down[row] = std::max(down[row], -extremes.smallest);
    }
  });
}

void BaselineAccumulator::Finish(const at::Tensor& inverse_deviation, int64_t count,
                                 PairCorrelations& result) const {
  const at::Tensor baseline =
      (largest_ * (inverse_deviation / static_cast<double>(count))).clamp_(-1, 1).to(at::kDouble);
  result.baseline = ToVector<float>(baseline.mean(0));
  result.baseline_std = options_.rotations > 1 ? ToVector<float>(baseline.std(0, /*unbiased=*/true))
                                               : std::vector<float>(result.baseline.size(), 0.0f);
}

}  // namespace homolog::analysis
