#include "server/engine/attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <limits>

#include "server/engine/layers.h"

namespace homolog::engine {
namespace {

// Queries per block: scores of 128 x 1024 float32 take half a megabyte, a core's share of the
// cache, and little more than the causal half of the products is computed.
constexpr int64_t kQueryBlock = 128;

// [rows, columns]: 0 where a position may look, -inf where it would see the future.
at::Tensor CausalMask(int64_t positions, const at::Tensor& like) {
  return at::full({positions, positions}, -std::numeric_limits<double>::infinity(),
                  like.options().requires_grad(false))
      .triu(1);
}

// One head of one sequence. q, k, v, out: [position, d_head]; mask: [kQueryBlock, kQueryBlock];
// scores, weights: room for kQueryBlock * position numbers.
void AttendHead(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale,
                const at::Tensor& mask, const at::Tensor& scores, const at::Tensor& weights,
                const at::Tensor& out) {
  const int64_t positions = q.size(0);
  for (int64_t first = 0; first < positions; first += kQueryBlock) {
    const int64_t rows = std::min(kQueryBlock, positions - first), seen = first + rows;
    at::Tensor block = scores.narrow(0, 0, rows * seen).view({rows, seen});
    at::Tensor mixture = weights.narrow(0, 0, rows * seen).view({rows, seen});
    // With beta = 0, what was in the block is not read.
    at::addmm_out(block, block, q.narrow(0, first, rows), k.narrow(0, 0, seen).t(), /*beta=*/0,
                  scale);
    block.narrow(1, first, rows).add_(mask.narrow(0, 0, rows).narrow(1, 0, rows));
    at::_softmax_out(mixture, block, -1, /*half_to_float=*/false);
    at::Tensor result = out.narrow(0, first, rows);
    at::mm_out(result, mixture, v.narrow(0, 0, seen));
  }
}

}  // namespace

at::Tensor BlockedCausalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  double scale) {
  const int64_t batch = q.size(0), positions = q.size(1), heads = q.size(2), d_head = q.size(3);
  const at::Tensor out = at::empty({batch, positions, heads, d_head}, q.options());
  const at::Tensor mask = CausalMask(std::min(kQueryBlock, positions), q);
  at::parallel_for(0, batch * heads, 1, [&](int64_t begin, int64_t end) {
    const at::NoGradGuard no_grad;
    const int64_t room = std::min(kQueryBlock, positions) * positions;
    const at::Tensor scores = at::empty({room}, q.options());
    const at::Tensor weights = at::empty({room}, q.options());
    for (int64_t i = begin; i < end; ++i) {
      auto head = [&](const at::Tensor& t) { return t.select(0, i / heads).select(1, i % heads); };
      AttendHead(head(q), head(k), head(v), scale, mask, scores, weights, head(out));
    }
  });
  return out.view({batch, positions, heads * d_head});
}

at::Tensor WholeCausalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                double scale) {
  const int64_t batch = q.size(0), positions = q.size(1), heads = q.size(2), d_head = q.size(3);
  auto by_head = [&](const at::Tensor& t) {  // [batch * head, position, d_head]
    return t.transpose(1, 2).reshape({batch * heads, positions, d_head});
  };
  // Product, scale and mask in one pass.
  const at::Tensor scores = at::baddbmm(CausalMask(positions, q), by_head(q),
                                        by_head(k).transpose(1, 2), /*beta=*/1.0, scale);
  const at::Tensor mixed = at::bmm(at::softmax(scores, -1), by_head(v));
  return mixed.view({batch, heads, positions, d_head})
      .transpose(1, 2)
      .reshape({batch, positions, heads * d_head});
}

at::Tensor CausalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           double scale) {
  const bool gradient = RecordsGradient(q) || RecordsGradient(k) || RecordsGradient(v);
  return gradient || !q.device().is_cpu() ? WholeCausalAttention(q, k, v, scale)
                                          : BlockedCausalAttention(q, k, v, scale);
}

}  // namespace homolog::engine
