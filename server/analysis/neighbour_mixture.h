// A fixed orthogonal map between a layer's rotated neurons, for almost nothing: blocks of a
// Hadamard matrix. With a random rotation before it, it gives another rotation as random as the
// first.
//
// Thread-safety: const methods may run at once. They throw what libtorch throws.
#ifndef HOMOLOG_SERVER_ANALYSIS_NEIGHBOUR_MIXTURE_H_
#define HOMOLOG_SERVER_ANALYSIS_NEIGHBOUR_MIXTURE_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace homolog::analysis {

// With T_ij = (-1)^(popcount(i & j) + popcount(j & (j >> 1))) / sqrt(n), a Hadamard matrix with
// columns signed by the Rudin-Shapiro sequence, and n the largest power of two up to min(size, 64):
// T over every n neighbours from the first, then, where size is no multiple of n, over the last n.
class NeighbourMixture {
 public:
  NeighbourMixture(int64_t size, at::Device device);

  // x: float32 [rows, size]. Returns a new tensor, [rows, size], contiguous.
  at::Tensor Columns(const at::Tensor& x) const;

  // Multiplications per row.
  static double Multiplications(int64_t size);

 private:
  const int64_t size_;
  at::Tensor block_;  // T, [n, n]
};

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_NEIGHBOUR_MIXTURE_H_
