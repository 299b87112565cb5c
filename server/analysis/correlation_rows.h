// From products of neurons to one row of numbers per reference neuron, tile by tile: no matrix of
// correlations is kept.
//
// Thread-safety: belongs to one thread at a time (and libtorch's intra-op threads). Throws what
// libtorch throws.
#ifndef HOMOLOG_SERVER_ANALYSIS_CORRELATION_ROWS_H_
#define HOMOLOG_SERVER_ANALYSIS_CORRELATION_ROWS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "server/analysis/correlation_result.h"
#include "server/analysis/state_archive.h"

namespace homolog::analysis {

// All correlations of a reference's neurons with a partner's, for best pairing.
class CorrelationRows {
 public:
  // portable: as in CorrelationOptions.
  CorrelationRows(int64_t neurons, int64_t partner_neurons, bool portable);

  // Bytes on the host.
  static int64_t Bytes(int64_t neurons);

  // products: [rows, columns] float32 on any device, in any order of memory, of reference neurons
  // from `first_row` and partner neurons from `first_column` on; a correlation is a product times
  // its row's and its column's factor (1 / deviation, and 1 / count in one of them). Of one row,
  // columns come in ascending order.
  void Add(const at::Tensor& products, int64_t first_row, int64_t first_column,
           const at::Tensor& row_factor, const at::Tensor& column_factor);

  // max_corr, max_sim, min_corr, min_sim and distribution.
  void Finish(PairCorrelations& result) const;
  // All of its state.
  void Transfer(StateArchive& archive);

 private:
  void AddOnCpu(const at::Tensor& products, int64_t first_row, int64_t first_column,
                const at::Tensor& row_factor, const at::Tensor& column_factor);
  void AddOnDevice(const at::Tensor& rho, int64_t first_row, int64_t first_column);
  void AddRow(const float* products, int64_t columns, int64_t row, int64_t first_column,
              float row_factor, const float* column_factor, float* rho, int32_t* bins);
  void KeepExtremes(int64_t row, const float* rho, int64_t count, int64_t first_column);
  void KeepTop(int64_t row, float rho, int32_t column);
  void KeepBottom(int64_t row, float rho, int32_t column);

  const int64_t neurons_, partner_neurons_;
  const bool portable_;
  // [neuron, kKeptPartners], in order.
  std::vector<float> top_corr_, bottom_corr_;
  std::vector<int32_t> top_sim_, bottom_sim_;
  std::vector<uint32_t> histogram_;
  std::vector<double> sums_;  // [neuron, 4], of powers of rho
};

// The correlations with the neurons of the same place only: max_corr, max_sim, min_corr, min_sim of
// reference neurons from `first` on, in a result whose columns are already of full length.
// products: [d_mlp, d_mlp] of one layer.
void SetSameIndexRows(const at::Tensor& products, int64_t first, const at::Tensor& row_factor,
                      const at::Tensor& column_factor, PairCorrelations& result);

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_CORRELATION_ROWS_H_
