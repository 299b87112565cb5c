#include "server/engine/attention.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <limits>

#include "server/engine/layers.h"
#include "server/engine/vector_math.h"

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

// Weights of scores [row, key] in place, row i of which sees the first `seen_by_first` + i keys.
void CausalSoftmax(const at::Tensor& scores, int64_t seen_by_first) {
  const int64_t rows = scores.size(0), keys = scores.size(1);
  if (scores.scalar_type() != at::kFloat) {
    const at::Tensor future = CausalMask(rows, scores);
    scores.narrow(1, keys - rows, rows).add_(future);
    scores.copy_(at::softmax(scores, -1));
    return;
  }
  float* row = scores.data_ptr<float>();
  for (int64_t i = 0; i < rows; ++i, row += keys) {
    SoftmaxLoop(row, seen_by_first + i);
    std::fill(row + seen_by_first + i, row + keys, 0.0f);
  }
}

// One head of one sequence. q, k, v, out: [position, d_head]; scores: room for kQueryBlock *
// position numbers.
void AttendHead(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale,
                const at::Tensor& scores, const at::Tensor& out) {
  const int64_t positions = q.size(0);
  for (int64_t first = 0; first < positions; first += kQueryBlock) {
    const int64_t rows = std::min(kQueryBlock, positions - first), seen = first + rows;
    at::Tensor block = scores.narrow(0, 0, rows * seen).view({rows, seen});
    // With beta = 0, what was in the block is not read.
    at::addmm_out(block, block, q.narrow(0, first, rows), k.narrow(0, 0, seen).t(), /*beta=*/0,
                  scale);
    CausalSoftmax(block, first + 1);
    at::Tensor result = out.narrow(0, first, rows);
    at::mm_out(result, block, v.narrow(0, 0, seen));
  }
}

}  // namespace

at::Tensor BlockedCausalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  double scale) {
  const int64_t batch = q.size(0), positions = q.size(1), heads = q.size(2), d_head = q.size(3);
  const at::Tensor out = at::empty({batch, positions, heads, d_head}, q.options());
  at::parallel_for(0, batch * heads, 1, [&](int64_t begin, int64_t end) {
    const at::NoGradGuard no_grad;
    const at::Tensor scores =
        at::empty({std::min(kQueryBlock, positions) * positions}, q.options());
    for (int64_t i = begin; i < end; ++i) {
      auto head = [&](const at::Tensor& t) { return t.select(0, i / heads).select(1, i % heads); };
      AttendHead(head(q), head(k), head(v), scale, scores, head(out));
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
