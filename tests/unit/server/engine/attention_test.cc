#include "server/engine/attention.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace homolog::engine {
namespace {

constexpr double kScale = 0.37;

// The definition, number by number in float64. [batch, position, head * d_head]
at::Tensor Naive(const at::Tensor& q32, const at::Tensor& k32, const at::Tensor& v32) {
  const at::Tensor q = q32.to(at::kDouble).contiguous(), k = k32.to(at::kDouble).contiguous(),
                   v = v32.to(at::kDouble).contiguous();
  const auto batch = q.size(0), positions = q.size(1), heads = q.size(2), d_head = q.size(3);
  at::Tensor out = at::zeros_like(q);
  auto row = [&](const at::Tensor& t, int64_t b, int64_t i, int64_t h) {
    return t.data_ptr<double>() + ((b * positions + i) * heads + h) * d_head;
  };
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < positions; ++i) {
        std::vector<double> weights;
        double sum = 0;
        for (int64_t j = 0; j <= i; ++j) {
          double score = 0;
          for (int64_t d = 0; d < d_head; ++d) score += row(q, b, i, h)[d] * row(k, b, j, h)[d];
          weights.push_back(std::exp(kScale * score));
          sum += weights.back();
        }
        for (int64_t j = 0; j <= i; ++j)
          for (int64_t d = 0; d < d_head; ++d)
            row(out, b, i, h)[d] += weights[j] / sum * row(v, b, j, h)[d];
      }
  return out.view({batch, positions, heads * d_head});
}

struct Qkv {
  at::Tensor q, k, v;
};

// Views of one joint product, as models have them.
Qkv Random(int64_t batch, int64_t positions, int64_t heads, int64_t d_head, bool by_head) {
  if (by_head) {
    const at::Tensor joint = at::randn({batch, positions, heads, 3, d_head});
    return {joint.select(3, 0), joint.select(3, 1), joint.select(3, 2)};
  }
  const at::Tensor joint = at::randn({batch, positions, 3, heads, d_head});
  return {joint.select(2, 0), joint.select(2, 1), joint.select(2, 2)};
}

struct Case {
  int64_t batch, positions, heads, d_head;
};

class AttentionTest : public ::testing::TestWithParam<Case> {};

TEST_P(AttentionTest, IsTheDefinitionBothInBlocksAndWhole) {
  const auto [batch, positions, heads, d_head] = GetParam();
  for (const bool by_head : {false, true}) {
    const Qkv x = Random(batch, positions, heads, d_head, by_head);
    const at::Tensor expected = Naive(x.q, x.k, x.v);
    for (const auto attention : {BlockedCausalAttention, WholeCausalAttention, CausalAttention}) {
      const at::Tensor result = attention(x.q, x.k, x.v, kScale);
      ASSERT_EQ(result.sizes(), expected.sizes());
      EXPECT_LT((result - expected).abs().max().item<double>(), 5e-6);
    }
  }
}

// Less than a block, a block to the position, several blocks and a rest.
INSTANTIATE_TEST_SUITE_P(Shapes, AttentionTest,
                         ::testing::Values(Case{1, 1, 1, 1}, Case{2, 7, 3, 5}, Case{1, 127, 2, 16},
                                           Case{2, 128, 1, 8}, Case{1, 129, 2, 8},
                                           Case{2, 300, 3, 20}));

TEST(AttentionTest, LeavesNoTraceOfTheFutureEvenIfItIsHuge) {
  const Qkv x = Random(1, 200, 2, 8, false);
  const at::Tensor before = BlockedCausalAttention(x.q, x.k, x.v, kScale);
  x.k.narrow(1, 150, 50).mul_(1e15);
  x.v.narrow(1, 150, 50).mul_(1e30);
  const at::Tensor after = BlockedCausalAttention(x.q, x.k, x.v, kScale);
  EXPECT_TRUE(at::equal(before.narrow(1, 0, 150), after.narrow(1, 0, 150)));
}

TEST(AttentionTest, KeepsScoresApartThatExponentialsCouldNot) {
  const Qkv x = Random(1, 40, 1, 8, false);
  x.q.mul_(100);
  const at::Tensor result = CausalAttention(x.q, x.k, x.v, kScale);
  EXPECT_TRUE(at::isfinite(result).all().item<bool>());
}

TEST(AttentionTest, LetsGradientsThrough) {
  const Qkv x = Random(1, 5, 2, 4, true);
  const at::Tensor q = x.q.clone().set_requires_grad(true);
  CausalAttention(q, x.k, x.v, kScale).sum().backward();
  EXPECT_GT(q.grad().abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace homolog::engine
