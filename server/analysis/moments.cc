#include "server/analysis/moments.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "common/error.h"

namespace homolog::analysis {
namespace {

// A neuron that hardly moves in the first block may fire later: a scale below this share of its
// layer's would let its squares overflow.
constexpr double kScaleFloor = 1e-4;

// Positions of a run.
constexpr int64_t kRun = 64;

// Of float32 sums of squares; beyond, products might be infinite.
constexpr double kSquaresLimit = 1e38;

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

ModelMoments::ModelMoments(const engine::ModelShape& shape, at::Device device, bool within_layers)
    : shape_(shape), device_(device), within_layers_(within_layers) {
  const auto f32 = at::TensorOptions().dtype(at::kFloat).device(device);
  mean_ = at::zeros({shape.neurons()}, f32.dtype(at::kDouble));
  sum_of_squares_ = at::zeros_like(mean_);
  if (!within_layers) return;
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    products_.push_back(at::zeros({shape.d_mlp, shape.d_mlp}, f32));
  }
}

int64_t ModelMoments::Bytes(const engine::ModelShape& shape, bool within_layers) {
  const int64_t vectors = shape.neurons() * (4 * 4 + 2 * 8);
  return vectors + (within_layers ? shape.layers * shape.d_mlp * shape.d_mlp * 4 : 0);
}

void ModelMoments::SetProvisional(const at::Tensor& x) {
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
  scale_.masked_fill_(scale_ == 0, 1.0);
}

int64_t ModelMoments::SpareRows(int64_t positions) { return (positions + kRun - 1) / kRun; }

absl::Status ModelMoments::AddBlock(int64_t positions, at::Tensor& block) {
  if (positions == 0) return absl::OkStatus();
  const at::Tensor x = block.narrow(0, 0, positions);
  // What is not a number is its column's minimum and maximum.
  const at::Tensor smallest = at::amin(x, 0), largest = at::amax(x, 0);
  const at::Tensor finite = at::isfinite(smallest).logical_and_(at::isfinite(largest));
  if (!finite.all().item<bool>()) {
    return BadActivation(finite.logical_not(), shape_, "infinite or not a number");
  }
  if (count_ == 0) SetProvisional(x);
  minimum_ = count_ == 0 ? smallest : at::minimum(minimum_, smallest);
  maximum_ = count_ == 0 ? largest : at::maximum(maximum_, largest);
  x.sub_(shift_).div_(scale_);
  const int64_t whole = positions / kRun, ragged = positions % kRun;
  if (whole > 0) {
    AddRuns(x.narrow(0, 0, whole * kRun).view({whole, kRun, -1}),
            block.narrow(0, positions, whole));
  }
  if (ragged > 0) {
    AddRuns(x.narrow(0, whole * kRun, ragged).unsqueeze(0), block.narrow(0, positions + whole, 1));
  }
  for (size_t layer = 0; layer < products_.size(); ++layer) {
    const at::Tensor part =
        block.narrow(1, static_cast<int64_t>(layer) * shape_.d_mlp, shape_.d_mlp);
    products_[layer].addmm_(part.t(), part);
  }
  return CheckRange();
}

// runs: y as [run, position, neuron]; spare: [run, neuron], for what their products lack.
void ModelMoments::AddRuns(at::Tensor runs, at::Tensor spare) {
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

  count_ += added;
  mean_ = (total + sums.sum(0)) / static_cast<double>(count_);
}

absl::Status ModelMoments::CheckRange() const {
  const at::Tensor in_range = sum_of_squares_ < kSquaresLimit;  // false for what is not a number
  if (in_range.all().item<bool>()) return absl::OkStatus();
  return BadActivation(in_range.logical_not(), shape_,
                       "too large beside its spread over the first positions");
}

at::Tensor ModelMoments::Variance() const {
  return (sum_of_squares_ / static_cast<double>(count_)).masked_fill_(Dead(), 0);
}

at::Tensor ModelMoments::Dead() const { return minimum_ == maximum_; }

at::Tensor ModelMoments::RelativeScale(int64_t layer) const {
  const at::Tensor alive =
      scale_.masked_fill(Dead(), 0).narrow(0, layer * shape_.d_mlp, shape_.d_mlp);
  return alive / alive.max().clamp_min(std::numeric_limits<float>::min());
}

at::Tensor ModelMoments::LayerCovariance(int64_t layer) const {
  const at::Tensor scale = RelativeScale(layer);
  return (products_[layer] / static_cast<double>(count_))
      .mul_(scale.unsqueeze(1))
      .mul_(scale.unsqueeze(0));
}

CrossMoments::CrossMoments(const engine::ModelShape& reference, const engine::ModelShape& partner,
                           at::Device device, bool same_index)
    : same_index_(same_index), d_mlp_(reference.d_mlp) {
  const auto f32 = at::TensorOptions().dtype(at::kFloat).device(device);
  if (!same_index) {
    products_.push_back(at::zeros({reference.neurons(), partner.neurons()}, f32));
    return;
  }
  for (int64_t layer = 0; layer < reference.layers; ++layer) {
    products_.push_back(at::zeros({d_mlp_, d_mlp_}, f32));
  }
}

int64_t CrossMoments::Bytes(const engine::ModelShape& reference, const engine::ModelShape& partner,
                            bool same_index) {
  return 4 * (same_index ? reference.layers * reference.d_mlp * reference.d_mlp
                         : reference.neurons() * partner.neurons());
}

void CrossMoments::AddBlock(const at::Tensor& reference, const at::Tensor& partner) {
  if (!same_index_) {
    products_[0].addmm_(reference.t(), partner);
    return;
  }
  for (size_t layer = 0; layer < products_.size(); ++layer) {
    const int64_t first = static_cast<int64_t>(layer) * d_mlp_;
    products_[layer].addmm_(reference.narrow(1, first, d_mlp_).t(),
                            partner.narrow(1, first, d_mlp_));
  }
}

at::Tensor CrossMoments::Covariance(int64_t count, int64_t first, int64_t rows, int64_t column,
                                    int64_t columns) const {
  const int64_t layer = same_index_ ? first / d_mlp_ : 0;
  const int64_t origin = layer * d_mlp_;
  return products_[layer].narrow(0, first - origin, rows).narrow(1, column - origin, columns) /
         static_cast<double>(count);
}

}  // namespace homolog::analysis
