#include "server/analysis/neighbour_mixture.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <utility>
#include <vector>

#include "server/analysis/rotation.h"

namespace homolog::analysis {
namespace {

at::Tensor Mixed(const at::Tensor& x) { return NeighbourMixture(x.size(1), at::kCPU).Columns(x); }

TEST(NeighbourMixtureTest, IsOrthogonal) {
  for (const int64_t size : {1, 2, 3, 5, 16, 63, 64, 65, 100, 127, 128, 200}) {
    const at::Tensor map = Mixed(at::eye(size));
    EXPECT_TRUE(at::allclose(at::mm(map, map.t()), at::eye(size), 0, 1e-6)) << size;
  }
}

TEST(NeighbourMixtureTest, LeavesNoNeuronByItself) {
  for (int64_t size = 2; size < 200; ++size) {
    const at::Tensor largest = std::get<0>(Mixed(at::eye(size)).abs().max(1));
    EXPECT_LT(largest.max().item<float>(), 0.8) << size;
  }
}

TEST(NeighbourMixtureTest, IsASignedHadamardMatrixOfABlock) {
  const at::Tensor mixed = Mixed(at::eye(4));  // a column of T in each row
  EXPECT_TRUE(at::equal(mixed[0], at::tensor(std::vector<float>{.5, .5, .5, .5})));
  EXPECT_TRUE(at::equal(mixed[1], at::tensor(std::vector<float>{.5, -.5, .5, -.5})));
  EXPECT_TRUE(at::equal(mixed[3], at::tensor(std::vector<float>{-.5, .5, .5, -.5})));
}

TEST(NeighbourMixtureTest, TakesRowsThatAreNotContiguous) {
  const at::Tensor x = at::arange(100 * 70, at::kFloat).view({100, 70});
  EXPECT_TRUE(at::equal(Mixed(x.t()), Mixed(x.t().contiguous())));
}

double Correlation(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.to(at::kDouble) - a.mean(at::kDouble);
  const at::Tensor y = b.to(at::kDouble) - b.mean(at::kDouble);
  return ((x * y).sum() / (x.square().sum() * y.square().sum()).sqrt()).item<double>();
}

// What the deviation over rotations rests on: the largest of many correlations with R's neurons
// says next to nothing of the largest with those of -R, T R and -T R.
TEST(NeighbourMixtureTest, LeavesMaximaNearlyIndependent) {
  constexpr int64_t kDraws = 4096;  // sd of a correlation: 1 / 64
  for (const auto& [size, bound] : {std::pair(256, 0.2), std::pair(1024, 0.1)}) {
    const at::Tensor rotated =
        RandomMatrix(BaselineKind::kGaussian, kDraws, 1, 0, 0).narrow(1, 0, size);
    const at::Tensor mixed = Mixed(rotated);
    const at::Tensor most = std::get<0>(rotated.max(1));
    const at::Tensor negative = -std::get<0>(rotated.min(1));
    const at::Tensor mixed_most = std::get<0>(mixed.max(1));
    const at::Tensor mixed_negative = -std::get<0>(mixed.min(1));
    for (const at::Tensor& other : {negative, mixed_most, mixed_negative}) {
      EXPECT_LT(std::abs(Correlation(most, other)), bound) << size;
    }
  }
}

}  // namespace
}  // namespace homolog::analysis
