#include "server/analysis/standardiser.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/error.h"
#include "server/analysis/column_loops.h"

namespace homolog::analysis {
namespace {

// A neuron that hardly moves in the first block may fire later: a scale below this share of its
// layer's would let its squares overflow.
constexpr double kScaleFloor = 1e-4;

// Positions that shift and scale are taken from.
constexpr int64_t kProvisional = 1024;

// Positions of a run.
constexpr int64_t kRun = 64;

// Numbers of a line of the cache.
constexpr int64_t kLine = 16;

// Of float32 sums of squares; beyond, products might be infinite.
constexpr double kSquaresLimit = 1e38;

int64_t CeilOfQuotient(int64_t number, int64_t divisor) { return (number + divisor - 1) / divisor; }

// bad: true [neurons] for at least one.
absl::Status BadActivation(const at::Tensor& bad, const engine::ModelShape& shape,
                           absl::string_view what) {
  const at::Tensor neurons = bad.nonzero().reshape({-1});
  const int64_t first = neurons[0].item<int64_t>();
  return FailedPrecondition(
      "NON_FINITE_ACTIVATION",
      absl::StrCat("layer ", first / shape.d_mlp, ", neuron ", first % shape.d_mlp,
                   " has an activation that is ", what, " (", neurons.numel(),
                   " neurons in all); correlations need finite activations: check the weights"),
      {{"layer", absl::StrCat(first / shape.d_mlp)},
       {"neuron", absl::StrCat(first % shape.d_mlp)}});
}

}  // namespace

Standardiser::Standardiser(const engine::ModelShape& shape, at::Device device, bool statistics,
                           bool portable)
    : shape_(shape),
      statistics_wanted_(statistics),
      loops_(device.is_cpu() && !portable),
      statistics_(statistics ? shape.neurons() : 0, device) {
  const auto f32 = at::TensorOptions().dtype(at::kFloat).device(device);
  const float infinity = std::numeric_limits<float>::infinity();
  mean_ = at::zeros({shape.neurons()}, f32.dtype(at::kDouble));
  sum_of_squares_ = at::zeros_like(mean_);
  minimum_ = at::full({shape.neurons()}, infinity, f32);
  maximum_ = at::full({shape.neurons()}, -infinity, f32);
  not_finite_ = at::zeros({shape.neurons()}, f32);
  bad_ = at::zeros({}, f32.dtype(at::kBool));
}

int64_t Standardiser::Bytes(const engine::ModelShape& shape, bool statistics) {
  const int64_t vectors = shape.neurons() * (6 * 4 + 2 * 8);
  return vectors + (statistics ? NeuronStatisticsAccumulator::Bytes(shape.neurons()) : 0);
}

void Standardiser::SetProvisional(const at::Tensor& x) {
  std::vector<at::Tensor> shifts, scales;
  for (int64_t layer = 0; layer < shape_.layers; ++layer) {
    // In float64, where no square overflows and the mean of a constant is the constant itself.
    const at::Tensor part = x.narrow(1, layer * shape_.d_mlp, shape_.d_mlp).to(at::kDouble);
    const at::Tensor mean = part.mean(0);
    const at::Tensor variance = (part - mean).square_().mean(0);
    shifts.push_back(mean);
    scales.push_back(at::maximum(variance.sqrt(), variance.mean().sqrt() * kScaleFloor));
  }
  shift_ = at::cat(shifts).to(at::kFloat);
  scale_ = at::cat(scales).to(at::kFloat);
  // Where the reciprocal would be infinite, there is nothing to scale.
  scale_.masked_fill_(scale_ < std::numeric_limits<float>::min(), 1.0);
  inverse_scale_ = scale_.reciprocal();
  if (statistics_wanted_) statistics_.SetUnits(shift_, scale_, inverse_scale_);
}

void Standardiser::Transfer(StateArchive& archive) {
  const at::Device device = mean_.device();
  archive.Part(count_);
  for (at::Tensor* part : {&shift_, &scale_, &inverse_scale_, &mean_, &sum_of_squares_, &minimum_,
                           &maximum_, &not_finite_, &bad_}) {
    archive.Part(*part, device);
  }
  statistics_.Transfer(archive);
}

int64_t Standardiser::SpareRows(int64_t positions) { return (positions + kRun - 1) / kRun; }

void Standardiser::AddBlock(int64_t positions, int64_t first, const at::Tensor& stream_positions,
                            at::Tensor& block) {
  if (positions == 0) return;
  if (count_ == 0) SetProvisional(block.narrow(0, 0, std::min(positions, kProvisional)));
  if (loops_) {
    AddOnCpu(positions, first,
             stream_positions.defined() ? stream_positions.data_ptr<int64_t>() : nullptr, block);
  } else {
    AddOnDevice(positions, first, stream_positions, block);
  }
  count_ += positions;
  NoteBad();
}

void Standardiser::AddOnCpu(int64_t positions, int64_t first, const int64_t* stream_positions,
                            at::Tensor& block) {
  const int64_t neurons = shape_.neurons(), stride = block.stride(0);
  float* const x = block.data_ptr<float>();
  auto add = [&](int64_t column, int64_t columns) {
    float run_maximum[kMostColumns], run_mean[kMostColumns], run_squares[kMostColumns];
    for (int64_t row = 0; row < positions; row += kRun) {
      const Run run = {x + row * stride + column, stride, std::min(kRun, positions - row), columns};
      RangeLoop(run, minimum_.data_ptr<float>() + column, maximum_.data_ptr<float>() + column,
                not_finite_.data_ptr<float>() + column, run_maximum);
      if (statistics_wanted_) {
        statistics_.AddRun(run, column, run_maximum, first + row,
                           stream_positions ? stream_positions + row : nullptr);
      }
      CentreLoop(run, shift_.data_ptr<float>() + column, inverse_scale_.data_ptr<float>() + column,
                 run_mean, run_squares);
      MergeLoop(columns, count_ + row, run.rows, run_mean, run_squares,
                mean_.data_ptr<double>() + column, sum_of_squares_.data_ptr<double>() + column,
                x + (positions + row / kRun) * stride + column);
    }
  };
  // As wide as they may be, but as many for every thread, of whole cache lines.
  const int64_t threads = at::get_num_threads();
  const int64_t rounds = CeilOfQuotient(neurons, kMostColumns * threads);
  const int64_t width = CeilOfQuotient(neurons, rounds * threads * kLine) * kLine;
  const int64_t strips = CeilOfQuotient(neurons, width);
  at::parallel_for(0, strips, 1, [&](int64_t begin, int64_t end) {
    for (int64_t strip = begin; strip < end; ++strip) {
      const int64_t column = strip * width;
      add(column, std::min(width, neurons - column));
    }
  });
}

void Standardiser::AddOnDevice(int64_t positions, int64_t first, const at::Tensor& stream_positions,
                               at::Tensor& block) {
  const at::Tensor x = block.narrow(0, 0, positions);
  // What is not a number is its column's minimum and maximum.
  const at::Tensor smallest = at::amin(x, 0), largest = at::amax(x, 0);
  not_finite_ += smallest * 0 + largest * 0;
  minimum_ = at::minimum(minimum_, smallest);
  maximum_ = at::maximum(maximum_, largest);
  if (statistics_wanted_) statistics_.AddBlock(x, first, stream_positions);
  x.sub_(shift_).mul_(inverse_scale_);
  const int64_t whole = positions / kRun, ragged = positions % kRun;
  if (whole > 0) {
    AddRuns(x.narrow(0, 0, whole * kRun).view({whole, kRun, -1}),
            block.narrow(0, positions, whole));
  }
  if (ragged > 0) {
    count_ += whole * kRun;
    AddRuns(x.narrow(0, whole * kRun, ragged).unsqueeze(0), block.narrow(0, positions + whole, 1));
    count_ -= whole * kRun;
  }
}

// runs: y as [run, position, neuron], of positions from count_ on; spare: [run, neuron], for what
// their products lack.
void Standardiser::AddRuns(at::Tensor runs, at::Tensor spare) {
  const int64_t length = runs.size(1), added = runs.size(0) * length;
  const at::Tensor means = runs.mean(1);
  runs.sub_(means.unsqueeze(1));
  // A column's norm squared, without a matrix of squares.
  sum_of_squares_ += runs.norm(2, 1).to(at::kDouble).square_().sum(0);

  // Of all positions before a run: how many there are, and their mean.
  const at::Tensor sums = means.to(at::kDouble).mul_(length);
  const at::Tensor counts =
      at::arange(count_, count_ + added, length, sums.options()).unsqueeze(1);  // [run, 1]
  const at::Tensor total = mean_ * static_cast<double>(count_);
  const at::Tensor before = (sums.cumsum(0) - sums + total) / counts.clamp_min(1);
  const at::Tensor weight = counts * length / (counts + length);
  spare.copy_((means - before) * weight.sqrt());
  sum_of_squares_ += spare.to(at::kDouble).square_().sum(0);
  mean_ = (total + sums.sum(0)) / static_cast<double>(count_ + added);
}

void Standardiser::NoteBad() {
  // Written so that what is not a number is bad, too.
  bad_ = (sum_of_squares_ < kSquaresLimit)
             .logical_not_()
             .any()
             .logical_or_(at::isnan(not_finite_).any());
}

absl::Status Standardiser::Check() const {
  const at::Tensor infinite = at::isnan(not_finite_);
  if (infinite.any().item<bool>()) {
    return BadActivation(infinite, shape_, "infinite or not a number");
  }
  const at::Tensor large = (sum_of_squares_ < kSquaresLimit).logical_not_();
  if (!large.any().item<bool>()) return absl::OkStatus();
  return BadActivation(large, shape_, "too large beside its spread over the first positions");
}

at::Tensor Standardiser::InverseDeviation() const {
  const at::Tensor variance = (sum_of_squares_ / static_cast<double>(count_));
  return at::where((variance > 0).logical_and_(Dead().logical_not()), variance.rsqrt(),
                   at::zeros_like(variance))
      .to(at::kFloat);
}

at::Tensor Standardiser::Dead() const { return minimum_ == maximum_; }

at::Tensor Standardiser::RelativeScale(int64_t layer) const {
  const at::Tensor alive =
      scale_.masked_fill(Dead(), 0).narrow(0, layer * shape_.d_mlp, shape_.d_mlp);
  return alive / alive.max().clamp_min(std::numeric_limits<float>::min());
}

NeuronStatistics Standardiser::Statistics() const {
  return statistics_wanted_ ? statistics_.Finish(count_, minimum_, maximum_) : NeuronStatistics();
}

}  // namespace homolog::analysis
