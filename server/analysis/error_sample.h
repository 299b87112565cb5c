// A few pairs of neurons whose correlation is also taken in float64, beside the fast one.
//
// Thread-safety: belongs to one thread at a time. Throws what libtorch throws.
#ifndef HOMOLOG_SERVER_ANALYSIS_ERROR_SAMPLE_H_
#define HOMOLOG_SERVER_ANALYSIS_ERROR_SAMPLE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "server/analysis/correlation_options.h"
#include "server/analysis/correlation_plan.h"
#include "server/analysis/correlation_result.h"
#include "server/analysis/state_archive.h"
#include "server/engine/model.h"

namespace homolog::analysis {

class ErrorSample {
 public:
  // `side` random neurons of either model within the tile, each with each: the same for the same
  // tile and options.seed. d_mlp: of the row model.
  ErrorSample(const CrossTile& tile, int64_t d_mlp, int64_t side, const CorrelationOptions& options,
              at::Device device);

  // Activations [position, neuron] float32 of both models, as they were read.
  void Add(const at::Tensor& row_activations, const at::Tensor& column_activations);

  // Compares with products of the tile times both factors, and adds what it finds to `error`, whose
  // mean stays a mean.
  void Compare(const at::Tensor& products, const at::Tensor& row_factor,
               const at::Tensor& column_factor, MeasuredError& error) const;

  // All of its state but what the constructor is told.
  void Transfer(StateArchive& archive);

 private:
  // Of x [position, neuron] the neurons: [position, side] float64.
  at::Tensor Gather(const at::Tensor& x, const at::Tensor& neurons) const;
  at::Tensor Correlations() const;

  const CrossTile tile_;
  const int64_t first_row_;
  const bool loops_;  // rather than libtorch's operations
  int64_t count_ = 0;
  at::Tensor rows_, columns_;                // int64 [side], flat
  at::Tensor row_shift_, column_shift_;      // float64 [side], the first activations
  at::Tensor row_sum_, column_sum_;          // float64 [side], about them
  at::Tensor row_squares_, column_squares_;  // float64 [side]
  at::Tensor products_;                      // float64 [side, side]
};

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_ERROR_SAMPLE_H_
