// Sums over token positions from which every correlation follows.
//
// Activations x are accumulated as y = (x - shift) / scale, shift and scale being the mean and
// standard deviation of each neuron over the first block, and every run of 64 positions about its
// own mean, with one more row for how far that mean lies from the mean of the runs before (Chan,
// Golub and LeVeque 1983, doi:10.1080/00031305.1983.10483115). So nothing is ever subtracted from
// a float32 sum, whatever the mean and however it drifts; and equal activations, whose rounding
// errors all go one way, come in short runs only. Pearson correlation does not change under shift
// and scale; where scale matters (rotation), it is put back.
//
// Thread-safety: belongs to one thread at a time. Methods throw what libtorch throws, unless they
// return a status.
#ifndef HOMOLOG_SERVER_ANALYSIS_MOMENTS_H_
#define HOMOLOG_SERVER_ANALYSIS_MOMENTS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "server/engine/model.h"

namespace homolog::analysis {

// Moments of one model's neurons: n, variances, dead flags and, where asked for, the covariance
// within each layer.
class ModelMoments {
 public:
  // within_layers: also accumulate the [d_mlp, d_mlp] products of each layer (what rotations need).
  ModelMoments(const engine::ModelShape& shape, at::Device device, bool within_layers);

  // Bytes that the moments of such a model take on the device.
  static int64_t Bytes(const engine::ModelShape& shape, bool within_layers);

  // Takes the activations [position, layer * d_mlp + neuron] float32 of one block, followed by
  // SpareRows(positions) rows that hold nothing, and leaves in their place rows whose products add
  // up to those of y about its mean. FAILED_PRECONDITION (reason NON_FINITE_ACTIVATION) naming
  // layer and neuron of the first activation that is infinite, not a number or too large for its
  // square to be a float32.
  absl::Status AddBlock(int64_t positions, at::Tensor& block);
  static int64_t SpareRows(int64_t positions);

  int64_t count() const { return count_; }
  const engine::ModelShape& shape() const { return shape_; }
  // Of y, per neuron, float64 [neurons], 1 / n; 0 for dead neurons. count() > 0.
  at::Tensor Variance() const;
  // True [neurons] where the activation never varied.
  at::Tensor Dead() const;
  // The scales of one layer's neurons over the largest of them, float32 [d_mlp]; 0 where dead. What
  // rotations do to correlations depends on these ratios alone, whose squares stay finite whatever
  // the activations' unit.
  at::Tensor RelativeScale(int64_t layer) const;
  // Covariance [d_mlp, d_mlp] float32 of one layer's y times RelativeScale; dead rows and columns
  // are 0.
  at::Tensor LayerCovariance(int64_t layer) const;

 private:
  void SetProvisional(const at::Tensor& x);
  void AddRuns(at::Tensor runs, at::Tensor spare);
  absl::Status CheckRange() const;

  const engine::ModelShape shape_;
  const at::Device device_;
  const bool within_layers_;
  int64_t count_ = 0;
  at::Tensor shift_, scale_;          // float32 [neurons]
  at::Tensor mean_, sum_of_squares_;  // float64 [neurons], of y and of y about its mean
  at::Tensor minimum_, maximum_;      // float32 [neurons], of x
  std::vector<at::Tensor> products_;  // float32 [d_mlp, d_mlp] per layer, of y
};

// Products of the neurons of a reference and a partner.
class CrossMoments {
 public:
  // same_index: only the products of equal layers, which is all that pairing needs.
  CrossMoments(const engine::ModelShape& reference, const engine::ModelShape& partner,
               at::Device device, bool same_index);

  static int64_t Bytes(const engine::ModelShape& reference, const engine::ModelShape& partner,
                       bool same_index);

  // The blocks of both models for the same positions, as ModelMoments::AddBlock left them.
  void AddBlock(const at::Tensor& reference, const at::Tensor& partner);

  // Covariance of y of reference neurons [first, first + rows) with partner neurons
  // [column, column + columns) over `count` positions: float32 [rows, columns]. In a same_index
  // object both ranges lie in one and the same layer.
  at::Tensor Covariance(int64_t count, int64_t first, int64_t rows, int64_t column,
                        int64_t columns) const;

 private:
  const bool same_index_;
  const int64_t d_mlp_;               // of the reference; of both where same_index
  std::vector<at::Tensor> products_;  // one [neurons, neurons], or one [d_mlp, d_mlp] per layer
};

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_MOMENTS_H_
