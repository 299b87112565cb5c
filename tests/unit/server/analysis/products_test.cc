#include "server/analysis/products.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <vector>

#include "server/analysis/joint_products.h"

namespace homolog::analysis {
namespace {

at::Tensor Random(int64_t rows, int64_t columns) {
  return at::sin(at::arange(rows * columns, at::kFloat) * 1.7f).view({rows, columns});
}

// The upper triangle of a^T a in float64, by each of `count` products at once.
std::vector<at::Tensor> UpperProducts(const at::Tensor& a, int64_t count, bool one_thread) {
  std::vector<SymmetricProduct> products;
  for (int64_t i = 0; i < count; ++i) {
    products.push_back({a, at::zeros({a.size(1), a.size(1)}), one_thread});
  }
  Multiplier(Precision::kFloat32).AddUpperProducts(products);
  std::vector<at::Tensor> sums;
  for (const SymmetricProduct& product : products) sums.push_back(product.sum.triu());
  return sums;
}

TEST(ProductsTest, ATriangleHasTheSameBitsAloneAndBesideOthers) {
  at::set_num_threads(2);
  const at::Tensor a = Random(1040, 300);
  for (const bool one_thread : {true, false}) {
    const at::Tensor alone = UpperProducts(a, 1, one_thread)[0];
    for (const int64_t count : {2, 3, 5}) {
      for (const at::Tensor& sum : UpperProducts(a, count, one_thread)) {
        EXPECT_TRUE(sum.equal(alone)) << count << (one_thread ? " by one thread" : "");
      }
    }
  }
}

TEST(ProductsTest, TrianglesAreThoseOfFloat64) {
  const at::Tensor a = Random(1040, 300), wide = a.to(at::kDouble);
  const at::Tensor exact = wide.t().mm(wide).triu();
  for (const bool one_thread : {true, false}) {
    const at::Tensor sum = UpperProducts(a, 3, one_thread)[1].to(at::kDouble);
    EXPECT_LT((sum - exact).abs().max().item<double>(), 1e-5 * exact.abs().max().item<double>());
  }
}

// What is tried on a few positions holds for many.
TEST(JointProductsTest, LayersThatMayBeJoinedGiveTheBitsOfEachAlone) {
  at::set_num_threads(2);
  for (const int64_t neurons : {256, 300, 384}) {
    for (const int64_t layers : {2, 3}) {
      const at::Tensor sums = at::zeros({layers * neurons, 512});
      if (!JointProductsAreExact(sums, layers)) continue;  // as this BLAS has it
      EXPECT_EQ(sums.abs().max().item<float>(), 0);
      const at::Tensor a = Random(2080, layers * neurons), b = Random(2080, 512);
      const Multiplier multiplier(Precision::kFloat32);
      multiplier.AddProduct(a, b, sums);
      for (int64_t layer = 0; layer < layers; ++layer) {
        const at::Tensor alone = at::zeros({neurons, 512});
        multiplier.AddProduct(a.narrow(1, layer * neurons, neurons), b, alone);
        EXPECT_TRUE(alone.equal(sums.narrow(0, layer * neurons, neurons)))
            << neurons << " neurons, layer " << layer << " of " << layers;
      }
    }
  }
}

TEST(JointProductsTest, LeaveTheSumsZeroWhateverTheAnswer) {
  for (const int64_t neurons : {260, 384}) {
    const at::Tensor sums = at::zeros({3 * neurons, 640});
    const bool first = JointProductsAreExact(sums, 3);
    EXPECT_EQ(sums.abs().max().item<float>(), 0);
    EXPECT_EQ(JointProductsAreExact(sums, 3), first);
  }
}

}  // namespace
}  // namespace homolog::analysis
