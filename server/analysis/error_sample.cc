#include "server/analysis/error_sample.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "server/analysis/column_loops.h"
#include "server/analysis/random.h"

namespace homolog::analysis {
namespace {

// `count` numbers of [first, first + size).
at::Tensor RandomNeurons(int64_t count, int64_t first, int64_t size, uint64_t key) {
  std::vector<int64_t> neurons;
  for (int64_t i = 0; i < count; ++i) {
    neurons.push_back(first + static_cast<int64_t>(RandomBits(key, static_cast<uint64_t>(i)) %
                                                   static_cast<uint64_t>(size)));
  }
  return at::tensor(neurons, at::kLong);
}

uint64_t Key(const CrossTile& tile, uint64_t seed, uint64_t side) {
  auto part = [](int64_t number) { return static_cast<uint64_t>(number); };
  return RandomKey({seed, side, part(tile.row_model), part(tile.row_layer), part(tile.column_model),
                    part(tile.column)});
}

}  // namespace

ErrorSample::ErrorSample(const CrossTile& tile, int64_t d_mlp, int64_t side,
                         const CorrelationOptions& options, at::Device device)
    : tile_(tile),
      first_row_(tile.row_layer * d_mlp),
      loops_(device.is_cpu() && !options.portable),
      rows_(RandomNeurons(side, first_row_, d_mlp, Key(tile, options.seed, 0)).to(device)),
      columns_(
          RandomNeurons(side, tile.column, tile.columns, Key(tile, options.seed, 1)).to(device)) {
  const auto f64 = at::TensorOptions().dtype(at::kDouble).device(device);
  for (at::Tensor* sum : {&row_sum_, &column_sum_, &row_squares_, &column_squares_}) {
    *sum = at::zeros({side}, f64);
  }
  products_ = at::zeros({side, side}, f64);
}

void ErrorSample::Transfer(StateArchive& archive) {
  const at::Device device = products_.device();
  archive.Part(count_);
  for (at::Tensor* part : {&row_shift_, &column_shift_, &row_sum_, &column_sum_, &row_squares_,
                           &column_squares_, &products_}) {
    archive.Part(*part, device);
  }
}

// libtorch takes one column after the other, and misses the cache and its tables with each number.
at::Tensor ErrorSample::Gather(const at::Tensor& x, const at::Tensor& neurons) const {
  if (!loops_) return x.index_select(1, neurons).to(at::kDouble);
  constexpr int64_t kGrain = 256;
  const int64_t count = neurons.numel(), stride = x.stride(0);
  at::Tensor gathered = at::empty({x.size(0), count}, x.options().dtype(at::kDouble));
  const float* const from = x.data_ptr<float>();
  double* const to = gathered.data_ptr<double>();
  at::parallel_for(0, x.size(0), kGrain, [&](int64_t begin, int64_t end) {
    GatherLoop(from + begin * stride, stride, end - begin, neurons.data_ptr<int64_t>(), count,
               to + begin * count);
  });
  return gathered;
}

void ErrorSample::Add(const at::Tensor& row_activations, const at::Tensor& column_activations) {
  if (row_activations.size(0) == 0) return;
  at::Tensor a = Gather(row_activations, rows_);
  at::Tensor b = Gather(column_activations, columns_);
  if (count_ == 0) {
    row_shift_ = a[0].clone();
    column_shift_ = b[0].clone();
  }
  a.sub_(row_shift_);
  b.sub_(column_shift_);
  row_sum_ += a.sum(0);
  column_sum_ += b.sum(0);
  products_ += at::mm(a.t(), b);
  row_squares_ += a.square_().sum(0);
  column_squares_ += b.square_().sum(0);
  count_ += row_activations.size(0);
}

at::Tensor ErrorSample::Correlations() const {
  const auto n = static_cast<double>(count_);
  const at::Tensor covariance = products_ - at::outer(row_sum_, column_sum_) / n;
  const at::Tensor variances = at::outer((row_squares_ - row_sum_.square() / n).clamp_min(0),
                                         (column_squares_ - column_sum_.square() / n).clamp_min(0));
  return at::where(variances > 0, covariance * variances.rsqrt(), at::zeros_like(variances));
}

void ErrorSample::Compare(const at::Tensor& products, const at::Tensor& row_factor,
                          const at::Tensor& column_factor, MeasuredError& error) const {
  const at::Tensor row = rows_ - first_row_, column = columns_ - tile_.column;
  const at::Tensor factors = at::outer(row_factor.index({row}), column_factor.index({column}));
  const at::Tensor rho = products.index_select(0, row).index_select(1, column) * factors;
  // A dead neuron's correlations are 0 by definition; float64 may see rounding in its place.
  const at::Tensor errors =
      ((rho.clamp(-1, 1).to(at::kDouble) - Correlations()) * (factors != 0)).abs();
  const int64_t pairs = errors.numel();
  error.max_abs = std::max(error.max_abs, errors.max().item<double>());
  error.mean_abs =
      (error.mean_abs * static_cast<double>(error.pairs) + errors.sum().item<double>()) /
      static_cast<double>(error.pairs + pairs);
  error.pairs += pairs;
}

}  // namespace homolog::analysis
