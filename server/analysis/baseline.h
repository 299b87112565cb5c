// The baseline: the largest correlations with randomly rotated neurons, from moments alone.
// cov(a, R b) = cov(a, b) R^T, and var(R b) = diag(R cov(b, b) R^T).
//
// Thread-safety: belong to one thread at a time. They throw what libtorch throws.
#ifndef HOMOLOG_SERVER_ANALYSIS_BASELINE_H_
#define HOMOLOG_SERVER_ANALYSIS_BASELINE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "server/analysis/correlation_options.h"
#include "server/analysis/correlation_result.h"
#include "server/analysis/neighbour_mixture.h"
#include "server/analysis/run_control.h"
#include "server/analysis/state_archive.h"
#include "server/engine/model.h"

namespace homolog::analysis {

// Random matrices that a correlation draws per layer. For best pairing a matrix R serves four
// rotations, so that one product serves four: 4m is R, 4m + 1 -R, 4m + 2 T R and 4m + 3 -T R, T the
// NeighbourMixture. All are as random as R: both distributions are symmetric, and neither changes
// under a fixed orthogonal T. The largest correlations of -R are the smallest of R. For same_index
// pairing every rotation has its own matrix.
int64_t MatrixCount(const CorrelationOptions& options);

// Device memory beside the moments while sums of layers of d_mlp neurons become results.
int64_t BaselineScratchBytes(int64_t d_mlp, const CorrelationOptions& options);

// Multiplications that the baselines of `rows` reference neurons take with `columns` neurons of a
// partner with layers of d_mlp neurons.
double BaselineMultiplications(int64_t rows, int64_t columns, int64_t d_mlp,
                               const CorrelationOptions& options);

// 1 / standard deviation of every rotated neuron of one model, in units of its layer's largest
// scale, which cancels.
class RotatedDeviations {
 public:
  RotatedDeviations(const engine::ModelShape& shape, const CorrelationOptions& options,
                    at::Device device);

  static int64_t Bytes(const engine::ModelShape& shape, const CorrelationOptions& options);
  // Of one layer.
  static double Multiplications(int64_t d_mlp, const CorrelationOptions& options);

  // covariance: [d_mlp, d_mlp] of y times the layer's relative scales.
  // `control` is asked before every matrix.
  absl::Status SetLayer(int64_t layer, const at::Tensor& covariance, RunControl& control);

  // Float32 [forms, d_mlp]: of R and, where a rotation needs it, of T R; 0 where a rotated neuron
  // never varies.
  at::Tensor Inverse(int64_t matrix, int64_t layer) const;
  // All of its state.
  void Transfer(StateArchive& archive) { archive.Part(inverse_, inverse_.device()); }

 private:
  const engine::ModelShape shape_;
  const CorrelationOptions& options_;
  at::Tensor inverse_;  // [form, neuron], a matrix's forms one after the other
};

// Baselines of a reference's neurons against one partner.
class BaselineAccumulator {
 public:
  BaselineAccumulator(int64_t neurons, const CorrelationOptions& options, at::Device device);

  static int64_t Bytes(int64_t neurons, const CorrelationOptions& options);

  // products: sums of products of y of reference neurons [first, first + rows) and of the neurons
  // of one partner layer, [rows, d_mlp]; map: matrix number `matrix` times the layer's relative
  // scales; inverse_deviations: RotatedDeviations::Inverse; mixture: of d_mlp neurons.
  void Add(int64_t matrix, int64_t first, const at::Tensor& products, const at::Tensor& map,
           const at::Tensor& inverse_deviations, const NeighbourMixture& mixture);

  // Mean and deviation over rotations. inverse_deviation: of the reference's y, float32 [neurons],
  // over `count` positions.
  void Finish(const at::Tensor& inverse_deviation, int64_t count, PairCorrelations& result) const;
  // All of its state.
  void Transfer(StateArchive& archive) { archive.Part(largest_, largest_.device()); }

 private:
  void AddBest(int64_t rotation, int64_t first, const at::Tensor& rotated,
               const at::Tensor& inverse_deviation);

  const CorrelationOptions& options_;
  at::Tensor largest_;  // float32 [rotation, neuron]
};

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_BASELINE_H_
