// One model's activations, block by block, made ready for products in float32.
//
// Activations x become y = (x - shift) / scale, shift and scale being the mean and standard
// deviation of each neuron over the first positions, and every run of 64 positions is taken about
// its own mean, with one more row for how far that mean lies from the mean of the runs before
// (Chan, Golub and LeVeque 1983, doi:10.1080/00031305.1983.10483115). So nothing is ever subtracted
// from a float32 sum, whatever the mean and however it drifts; and equal activations, whose
// rounding errors all go one way, come in short runs only. Pearson correlation does not change
// under shift and scale; where scale matters (rotation), it is put back.
//
// Thread-safety: belongs to one thread at a time. Methods throw what libtorch throws, unless they
// return a status.
#ifndef HOMOLOG_SERVER_ANALYSIS_STANDARDISER_H_
#define HOMOLOG_SERVER_ANALYSIS_STANDARDISER_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "absl/status/status.h"
#include "server/analysis/neuron_statistics.h"
#include "server/analysis/state_archive.h"
#include "server/engine/model.h"

namespace homolog::analysis {

class Standardiser {
 public:
  // statistics: of every neuron, too. portable: as in CorrelationOptions.
  Standardiser(const engine::ModelShape& shape, at::Device device, bool statistics, bool portable);

  // Bytes that it takes on the device (on the host for the statistics).
  static int64_t Bytes(const engine::ModelShape& shape, bool statistics);

  // Takes the activations [position, layer * d_mlp + neuron] float32 of one block, followed by
  // SpareRows(positions) rows that hold nothing, and leaves in their place rows whose products add
  // up to those of y about its mean. stream_positions: [position] int64 on the CPU, where in the
  // token stream they are; undefined: from `first` on, one after the other. Whether they were
  // finite is for Check to say.
  void AddBlock(int64_t positions, int64_t first, const at::Tensor& stream_positions,
                at::Tensor& block);
  static int64_t SpareRows(int64_t positions);

  // A flag [] on the device: whether a block had an activation that Check refuses.
  at::Tensor Bad() const { return bad_; }
  // FAILED_PRECONDITION (reason NON_FINITE_ACTIVATION) naming layer and neuron of the first
  // activation that was infinite, not a number or too large for its square to be a float32.
  absl::Status Check() const;

  int64_t count() const { return count_; }
  const engine::ModelShape& shape() const { return shape_; }
  at::Tensor shift() const { return shift_; }
  at::Tensor scale() const { return scale_; }
  // 1 / standard deviation of y, float32 [neurons]; 0 for dead neurons. count() > 0.
  at::Tensor InverseDeviation() const;
  // True [neurons] where the activation never varied.
  at::Tensor Dead() const;
  // The scales of one layer's neurons over the largest of them, float32 [d_mlp]; 0 where dead. What
  // rotations do to correlations depends on these ratios alone, whose squares stay finite whatever
  // the activations' unit.
  at::Tensor RelativeScale(int64_t layer) const;
  // Empty unless asked for in the constructor.
  NeuronStatistics Statistics() const;
  // All of its state.
  void Transfer(StateArchive& archive);

 private:
  void SetProvisional(const at::Tensor& x);
  void AddOnCpu(int64_t positions, int64_t first, const int64_t* stream_positions,
                at::Tensor& block);
  void AddOnDevice(int64_t positions, int64_t first, const at::Tensor& stream_positions,
                   at::Tensor& block);
  void AddRuns(at::Tensor runs, at::Tensor spare);
  void NoteBad();

  const engine::ModelShape shape_;
  const bool statistics_wanted_, loops_;
  int64_t count_ = 0;
  at::Tensor shift_, scale_, inverse_scale_;  // float32 [neurons]
  at::Tensor mean_, sum_of_squares_;          // float64 [neurons], of y and of y about its mean
  at::Tensor minimum_, maximum_;              // float32 [neurons], of x
  at::Tensor not_finite_;  // float32 [neurons], not a number where x was not finite
  at::Tensor bad_;         // bool []
  NeuronStatisticsAccumulator statistics_;
};

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_STANDARDISER_H_
