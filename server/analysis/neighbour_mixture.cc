#include "server/analysis/neighbour_mixture.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <cmath>

namespace homolog::analysis {
namespace {

// Entries of 1/8 make a rotation and its mixture nearly independent; wider blocks cost more.
constexpr int64_t kLargestBlock = 64;

int64_t BlockSize(int64_t size) {
  return static_cast<int64_t>(
      std::bit_floor(static_cast<uint64_t>(std::clamp<int64_t>(size, 1, kLargestBlock))));
}

// Without such signs T over the last neighbours would undo most of T over those before.
bool IsNegative(uint64_t i, uint64_t j) {
  return std::popcount(i & j) % 2 != std::popcount(j & (j >> 1)) % 2;
}

at::Tensor Block(int64_t size) {
  at::Tensor matrix = at::empty({size, size}, at::kFloat);
  float* const out = matrix.data_ptr<float>();
  const auto entry = static_cast<float>(1 / std::sqrt(static_cast<double>(size)));
  for (int64_t i = 0; i < size; ++i) {
    for (int64_t j = 0; j < size; ++j) {
      out[i * size + j] =
          IsNegative(static_cast<uint64_t>(i), static_cast<uint64_t>(j)) ? -entry : entry;
    }
  }
  return matrix;
}

}  // namespace

NeighbourMixture::NeighbourMixture(int64_t size, at::Device device)
    : size_(size), block_(Block(BlockSize(size)).to(device)) {}

at::Tensor NeighbourMixture::Columns(const at::Tensor& x) const {
  const int64_t rows = x.size(0), n = block_.size(0), whole = size_ - size_ % n;
  const at::Tensor blocks = at::mm(x.narrow(1, 0, whole).reshape({-1, n}), block_.t());
  if (whole == size_) return blocks.view({rows, size_});
  at::Tensor mixed = at::cat({blocks.view({rows, whole}), x.narrow(1, whole, size_ - whole)}, 1);
  at::Tensor last = mixed.narrow(1, size_ - n, n);
  last.copy_(at::mm(last, block_.t()));
  return mixed;
}

double NeighbourMixture::Multiplications(int64_t size) {
  return static_cast<double>(size) * static_cast<double>(BlockSize(size));
}

}  // namespace homolog::analysis
