#include "server/analysis/neuron_statistics.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "server/analysis/central_moments.h"
#include "server/analysis/to_vector.h"

namespace homolog::analysis {
namespace {

// In standard deviations of the first positions about their mean: neurons after a nonlinearity lean
// to the right.
constexpr float kLow = -6, kBinWidth = 0.25;

constexpr Bins kBins = {kLow, 1 / kBinWidth, kActivationBins};

}  // namespace

NeuronStatisticsAccumulator::NeuronStatisticsAccumulator(int64_t neurons, at::Device device)
    : neurons_(neurons) {
  const auto f64 = at::TensorOptions().dtype(at::kDouble).device(device);
  for (at::Tensor* sum : {&first_, &second_, &third_, &fourth_}) *sum = at::zeros({neurons}, f64);
  active_ = at::zeros({neurons}, f64.dtype(at::kLong));
  histogram_ = at::zeros({neurons, kActivationBins}, f64.dtype(at::kInt));
  top_activation_ = at::full({neurons, kKeptPositions}, -std::numeric_limits<float>::infinity(),
                             f64.dtype(at::kFloat));
  top_position_ = at::zeros({neurons, kKeptPositions}, f64.dtype(at::kLong));
}

int64_t NeuronStatisticsAccumulator::Bytes(int64_t neurons) {
  return neurons * (5 * 8 + kActivationBins * 4 + kKeptPositions * 12);
}

void NeuronStatisticsAccumulator::SetUnits(const at::Tensor& shift, const at::Tensor& scale,
                                           const at::Tensor& inverse_scale) {
  shift_ = shift;
  scale_ = scale;
  inverse_scale_ = inverse_scale;
}

void NeuronStatisticsAccumulator::AddRun(const Run& run, int64_t column, const float* run_maximum,
                                         int64_t first, const int64_t* stream_positions) {
  const float* shift = shift_.data_ptr<float>() + column;
  const float* inverse_scale = inverse_scale_.data_ptr<float>() + column;
  PowerSumsLoop(run, shift, inverse_scale,
                {first_.data_ptr<double>() + column, second_.data_ptr<double>() + column,
                 third_.data_ptr<double>() + column, fourth_.data_ptr<double>() + column,
                 active_.data_ptr<int64_t>() + column});
  HistogramLoop(
      run, shift, inverse_scale, kBins,
      reinterpret_cast<uint32_t*>(histogram_.data_ptr<int32_t>()) + column * kActivationBins);
  KeepLargest(run, column, run_maximum, first, stream_positions);
}

void NeuronStatisticsAccumulator::KeepLargest(const Run& run, int64_t column,
                                              const float* run_maximum, int64_t first,
                                              const int64_t* stream_positions) {
  const float* top = top_activation_.data_ptr<float>();
  for (int64_t i = 0; i < run.columns; ++i) {
    const float* const least_kept = top + (column + i + 1) * kKeptPositions - 1;
    if (!(run_maximum[i] > *least_kept)) continue;
    for (int64_t row = 0; row < run.rows; ++row) {
      const float x = run.x[row * run.stride + i];
      if (!(x > *least_kept)) continue;
      Keep(column + i, x, stream_positions ? stream_positions[row] : first + row);
    }
  }
}

// Equal activations stay in the order in which they came.
void NeuronStatisticsAccumulator::Keep(int64_t neuron, float value, int64_t position) {
  float* values = top_activation_.data_ptr<float>() + neuron * kKeptPositions;
  int64_t* positions = top_position_.data_ptr<int64_t>() + neuron * kKeptPositions;
  int64_t place = kKeptPositions - 1;
  for (; place > 0 && value > values[place - 1]; --place) {
    values[place] = values[place - 1];
    positions[place] = positions[place - 1];
  }
  values[place] = value;
  positions[place] = position;
}

void NeuronStatisticsAccumulator::AddBlock(const at::Tensor& x, int64_t first,
                                           const at::Tensor& stream_positions) {
  const at::Tensor y = (x - shift_) * inverse_scale_;
  const at::Tensor square = y.square();
  first_ += y.sum(0, false, at::kDouble);
  second_ += square.sum(0, false, at::kDouble);
  third_ += (square * y).sum(0, false, at::kDouble);
  fourth_ += square.to(at::kDouble).square_().sum(0);
  active_ += (x > 0).sum(0);
  AddHistogram(y);

  // The largest of those kept before and of the block's own, those before first.
  const int64_t kept = std::min(kKeptPositions, x.size(0));
  // Stable: of equal activations the earliest first, which topk does not promise.
  const auto [sorted_values, sorted_rows] =
      at::sort(x.t(), /*stable=*/true, 1, /*descending=*/true);  // [neuron, position]
  const at::Tensor rows = sorted_rows.narrow(1, 0, kept);
  const at::Tensor positions =
      stream_positions.defined() ? stream_positions.to(rows.device()).index({rows}) : rows + first;
  const at::Tensor all_values = at::cat({top_activation_, sorted_values.narrow(1, 0, kept)}, 1);
  const at::Tensor all_positions = at::cat({top_position_, positions}, 1);
  const auto [sorted, order] = at::sort(all_values, /*stable=*/true, 1, /*descending=*/true);
  top_activation_ = sorted.narrow(1, 0, kKeptPositions).contiguous();
  top_position_ = all_positions.gather(1, order.narrow(1, 0, kKeptPositions));
}

void NeuronStatisticsAccumulator::AddHistogram(const at::Tensor& y) {
  // What is no number has no bin, and is refused later: it must not become an index.
  const at::Tensor bins = ((y - kLow) * kBins.per_unit)
                              .nan_to_num_(0)
                              .clamp_(0, static_cast<double>(kActivationBins - 1))
                              .to(at::kLong)
                              .t();  // [neuron, position]
  histogram_.scatter_add_(1, bins, at::ones({1, 1}, histogram_.options()).expand(bins.sizes()));
}

void NeuronStatisticsAccumulator::Transfer(StateArchive& archive) {
  const at::Device device = first_.device();
  for (at::Tensor* part : {&shift_, &scale_, &inverse_scale_, &first_, &second_, &third_, &fourth_,
                           &active_, &histogram_, &top_activation_, &top_position_}) {
    archive.Part(*part, device);
  }
}

NeuronStatistics NeuronStatisticsAccumulator::Finish(int64_t count, const at::Tensor& minimum,
                                                     const at::Tensor& maximum) const {
  NeuronStatistics result;
  result.minimum = ToVector<float>(minimum);
  result.maximum = ToVector<float>(maximum);
  result.active_share = ToVector<float>(active_.to(at::kDouble) / static_cast<double>(count));
  const auto histogram = ToVector<int32_t>(histogram_);
  result.histogram.assign(histogram.begin(), histogram.end());
  result.histogram_low = ToVector<float>(shift_ + scale_ * kLow);
  result.histogram_width = ToVector<float>(scale_ * kBinWidth);
  result.kept = std::min(kKeptPositions, count);
  result.top_activation = ToVector<float>(top_activation_.narrow(1, 0, result.kept));
  result.top_position = ToVector<int64_t>(top_position_.narrow(1, 0, result.kept));

  const auto first = ToVector<double>(first_), second = ToVector<double>(second_),
             third = ToVector<double>(third_), fourth = ToVector<double>(fourth_),
             shift = ToVector<double>(shift_), scale = ToVector<double>(scale_);
  for (int64_t i = 0; i < neurons_; ++i) {
    const double sums[] = {first[i], second[i], third[i], fourth[i]};
    Moments moments = CentralMoments(static_cast<double>(count), sums);
    if (result.minimum[i] == result.maximum[i]) moments = {moments.mean, 0, 0, 0};
    result.mean.push_back(static_cast<float>(shift[i] + scale[i] * moments.mean));
    result.variance.push_back(static_cast<float>(std::min<double>(
        scale[i] * scale[i] * moments.variance, std::numeric_limits<float>::max())));
    result.skew.push_back(static_cast<float>(moments.skew));
    result.kurtosis.push_back(static_cast<float>(moments.kurtosis));
  }
  return result;
}

}  // namespace homolog::analysis
