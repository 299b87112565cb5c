// Products of activations, summed over token positions, in a chosen precision.
//
// Thread-safety: a Multiplier belongs to one thread at a time. Throws what libtorch and oneDNN
// throw.
#ifndef HOMOLOG_SERVER_ANALYSIS_PRODUCTS_H_
#define HOMOLOG_SERVER_ANALYSIS_PRODUCTS_H_

#include <ATen/core/Tensor.h>

#include <vector>

#include "absl/status/status.h"
#include "server/analysis/correlation_options.h"

namespace homolog::analysis {

// INVALID_ARGUMENT (reason PRECISION_UNAVAILABLE) where the device does not have it.
absl::Status CheckPrecision(Precision precision, at::Device device);

// What the device does in a second, from one product that takes some hundredths of one.
double MeasuredMultiplicationsPerSecond(Precision precision, at::Device device);

// a: [position, neuron] of Multiplier::Operand; sum: [neuron, neuron] float32. Either may be
// columns of a wider matrix.
struct SymmetricProduct {
  at::Tensor a, sum;
  // On the CPU: by one thread, beside others, instead of by all threads. Bits may depend on it.
  bool one_thread;
};

class Multiplier {
 public:
  explicit Multiplier(Precision precision) : precision_(precision) {}

  // x [position, neuron] float32 as it is multiplied: itself, or a rounded copy.
  at::Tensor Operand(const at::Tensor& x) const;

  // sum += a^T b. a: [position, rows], b: [position, columns] of Operand; sum: [rows, columns]
  // float32. Any of them may be columns of a wider matrix.
  void AddProduct(const at::Tensor& a, const at::Tensor& b, at::Tensor sum) const;

  // Of each the part on and above the diagonal of sum += a^T a; what is below holds anything.
  void AddUpperProducts(const std::vector<SymmetricProduct>& products) const;

 private:
  void AddUpperPanels(const at::Tensor& a, const at::Tensor& sum) const;

  const Precision precision_;
};

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_PRODUCTS_H_
