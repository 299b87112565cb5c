// What the activations of each neuron are like: moments, histogram, and where they are largest.
//
// Thread-safety: AddRun may be called at the same time for different columns; everything else
// belongs to one thread. Methods throw what libtorch throws.
#ifndef HOMOLOG_SERVER_ANALYSIS_NEURON_STATISTICS_H_
#define HOMOLOG_SERVER_ANALYSIS_NEURON_STATISTICS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "server/analysis/column_loops.h"
#include "server/analysis/correlation_result.h"
#include "server/analysis/state_archive.h"

namespace homolog::analysis {

class NeuronStatisticsAccumulator {
 public:
  // The activations come from `device`, where the sums are.
  NeuronStatisticsAccumulator(int64_t neurons, at::Device device);

  static int64_t Bytes(int64_t neurons);

  // Sums and bins are of y = (x - shift) * inverse_scale, float32 [neurons]: call it before the
  // first activation.
  void SetUnits(const at::Tensor& shift, const at::Tensor& scale, const at::Tensor& inverse_scale);

  // On the CPU: activations x of neurons [column, column + run.columns) at positions
  // stream_positions[row], or first + row where there are none. run_maximum: of each of the
  // neurons. Runs of a column come in order.
  void AddRun(const Run& run, int64_t column, const float* run_maximum, int64_t first,
              const int64_t* stream_positions);

  // On any device: x [position, neuron] at stream_positions [position] int64 on the CPU, or from
  // `first` on where undefined.
  void AddBlock(const at::Tensor& x, int64_t first, const at::Tensor& stream_positions);

  // Of all `count` positions; minimum, maximum: of x, float32 [neurons].
  NeuronStatistics Finish(int64_t count, const at::Tensor& minimum,
                          const at::Tensor& maximum) const;

  // All of its state, which is on the device of the sums.
  void Transfer(StateArchive& archive);

 private:
  void KeepLargest(const Run& run, int64_t column, const float* run_maximum, int64_t first,
                   const int64_t* stream_positions);
  void Keep(int64_t neuron, float value, int64_t position);
  void AddHistogram(const at::Tensor& y);

  const int64_t neurons_;
  at::Tensor shift_, scale_, inverse_scale_;    // float32 [neurons]
  at::Tensor first_, second_, third_, fourth_;  // float64 [neurons], sums of powers of y
  at::Tensor active_;                           // int64 [neurons]
  at::Tensor histogram_;                        // int32 [neurons, kActivationBins]
  at::Tensor top_activation_;                   // float32 [neurons, kKeptPositions], descending
  at::Tensor top_position_;                     // int64, of the same
};

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_NEURON_STATISTICS_H_
