// Causal self-attention (Vaswani et al. 2017, arXiv:1706.03762): softmax(scale q k^T) v over the
// positions up to a query's own.
//
// Thread-safety: pure functions. They throw what libtorch throws.
#ifndef HOMOLOG_SERVER_ENGINE_ATTENTION_H_
#define HOMOLOG_SERVER_ENGINE_ATTENTION_H_

#include <ATen/core/Tensor.h>

namespace homolog::engine {

// q, k, v: [batch, position, head, d_head], of any strides with the last one 1. Returns
// [batch, position, head * d_head]. Chooses between the two below.
at::Tensor CausalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           double scale);

// Every score of a batch at once, masked: 2 * batch * head * position^2 numbers. Differentiable, on
// any device.
at::Tensor WholeCausalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                double scale);

// On the CPU, without gradients: a block of queries against the keys up to its last one, so that
// scores stay in the cache and half of them are never computed.
at::Tensor BlockedCausalAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                  double scale);

}  // namespace homolog::engine

#endif  // HOMOLOG_SERVER_ENGINE_ATTENTION_H_
