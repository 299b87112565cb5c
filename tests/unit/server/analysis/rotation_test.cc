#include "server/analysis/rotation.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace homolog::analysis {
namespace {

// Entries as float64, row by row.
std::vector<double> Entries(BaselineKind kind, int64_t size, uint64_t seed = 1,
                            int64_t rotation = 0, int64_t layer = 0) {
  const at::Tensor matrix = RandomMatrix(kind, size, seed, rotation, layer);
  EXPECT_EQ(matrix.scalar_type(), at::kFloat);
  EXPECT_EQ(matrix.sizes(), (std::vector<int64_t>{size, size}));
  const at::Tensor rows = matrix.contiguous();
  return std::vector<double>(rows.data_ptr<float>(), rows.data_ptr<float>() + size * size);
}

double RowDot(const std::vector<double>& m, int64_t size, int64_t a, int64_t b) {
  double sum = 0;
  for (int64_t i = 0; i < size; ++i) sum += m[a * size + i] * m[b * size + i];
  return sum;
}

double Correlation(const std::vector<double>& a, const std::vector<double>& b) {
  double ab = 0, aa = 0, bb = 0;  // means are 0
  for (size_t i = 0; i < a.size(); ++i) {
    ab += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

class RotationTest : public ::testing::TestWithParam<BaselineKind> {};

TEST_P(RotationTest, DependsOnItsArgumentsAlone) {
  EXPECT_EQ(Entries(GetParam(), 65, 7, 2, 3), Entries(GetParam(), 65, 7, 2, 3));
}

TEST(GaussianRotationTest, DoesNotDependOnTheNumberOfThreads) {
  const int threads = at::get_num_threads();
  at::set_num_threads(2);
  const std::vector<double> two = Entries(BaselineKind::kGaussian, 65, 7, 2, 3);
  at::set_num_threads(1);
  EXPECT_EQ(Entries(BaselineKind::kGaussian, 65, 7, 2, 3), two);
  at::set_num_threads(threads);
}

TEST_P(RotationTest, IsIndependentOfItsNeighbours) {
  // sd of a correlation of 4096 pairs: 1 / 64.
  const std::vector<double> one = Entries(GetParam(), 64, 5, 1, 2);
  for (const auto& other : {Entries(GetParam(), 64, 6, 1, 2), Entries(GetParam(), 64, 5, 2, 2),
                            Entries(GetParam(), 64, 5, 1, 3), Entries(GetParam(), 64, 5, 2, 1),
                            Entries(GetParam(), 64, 1, 5, 2), Entries(GetParam(), 64, 2, 1, 5)}) {
    EXPECT_LT(std::abs(Correlation(one, other)), 4.5 / 64);
  }
}

TEST_P(RotationTest, HasEntriesOfTheExpectedMoments) {
  // sqrt(size) times an entry is normal, or of a random unit vector: nearly normal, with a fourth
  // moment of 3 size / (size + 2).
  constexpr int64_t kSize = 256;
  const std::vector<double> m = Entries(GetParam(), kSize, 11);
  double moments[5] = {};
  for (const double entry : m) {
    for (int k = 1; k <= 4; ++k) moments[k] += std::pow(entry * 16, k) / (kSize * kSize);
  }
  EXPECT_NEAR(moments[1], 0, 4.5 * 1.0 / kSize);
  EXPECT_NEAR(moments[2], 1, 4.5 * std::sqrt(2.0) / kSize);
  EXPECT_NEAR(moments[3], 0, 4.5 * std::sqrt(15.0) / kSize);
  EXPECT_NEAR(moments[4], 3, 4.5 * std::sqrt(96.0) / kSize);
}

TEST_P(RotationTest, IsUnbiasedAtEveryPlace) {
  // Without the fix of signs the diagonal of Q would be negative far more often than not.
  constexpr int64_t kSize = 3, kDraws = 2000;
  std::vector<double> means(kSize * kSize), squares(kSize * kSize);
  for (int64_t draw = 0; draw < kDraws; ++draw) {
    const std::vector<double> m = Entries(GetParam(), kSize, 3, draw, draw % 5);
    for (size_t i = 0; i < m.size(); ++i) {
      means[i] += m[i] / kDraws;
      squares[i] += m[i] * m[i] / kDraws;
    }
  }
  const double deviation = std::sqrt(1.0 / kSize / kDraws);
  for (size_t i = 0; i < means.size(); ++i) {
    EXPECT_NEAR(means[i], 0, 4.5 * deviation) << "entry " << i;
    EXPECT_NEAR(squares[i], 1.0 / kSize, 0.03) << "entry " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, RotationTest,
                         ::testing::Values(BaselineKind::kGaussian, BaselineKind::kOrthogonal));

TEST(OrthogonalRotationTest, HasOrthogonalRowsOfLengthOne) {
  for (const int64_t size : {1, 2, 17, 100}) {
    const std::vector<double> m = Entries(BaselineKind::kOrthogonal, size);
    for (int64_t a = 0; a < size; ++a) {
      EXPECT_NEAR(RowDot(m, size, a, a), 1, 1e-6);
      for (int64_t b = 0; b < a; ++b) EXPECT_NEAR(RowDot(m, size, a, b), 0, 1e-6);
    }
  }
}

TEST(OrthogonalRotationTest, IsARotationAsOftenAsAReflection) {
  int reflections = 0;
  constexpr int kDraws = 1000;
  for (int draw = 0; draw < kDraws; ++draw) {
    const std::vector<double> m = Entries(BaselineKind::kOrthogonal, 2, 9, draw);
    if (m[0] * m[3] - m[1] * m[2] < 0) ++reflections;
  }
  EXPECT_NEAR(reflections, kDraws / 2, 4.5 * std::sqrt(kDraws) / 2);
}

TEST(GaussianRotationTest, HasRowsThatAreIndependentNotOrthogonal) {
  constexpr int64_t kSize = 100;
  const std::vector<double> m = Entries(BaselineKind::kGaussian, kSize);
  double squares = 0;
  for (int64_t a = 0; a < kSize; ++a) {
    for (int64_t b = 0; b < a; ++b) squares += std::pow(RowDot(m, kSize, a, b), 2);
  }
  const double pairs = kSize * (kSize - 1) / 2.0;
  EXPECT_NEAR(squares / pairs, 1.0 / kSize, 0.001);  // variance of the cosine of random vectors
}

}  // namespace
}  // namespace homolog::analysis
