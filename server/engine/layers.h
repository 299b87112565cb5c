// The affine parts of a transformer block.
//
// Thread-safety: pure functions on immutable weights; each writes only what it is given to write.
// They throw what libtorch throws.
#ifndef HOMOLOG_SERVER_ENGINE_LAYERS_H_
#define HOMOLOG_SERVER_ENGINE_LAYERS_H_

#include <ATen/core/Tensor.h>

#include <string>

#include "server/engine/architecture.h"

namespace homolog::engine {

struct Linear {       // y = x weight + bias
  at::Tensor weight;  // [in, out], any strides
  at::Tensor bias;    // [out]
};

struct Norm {  // LayerNorm (Ba et al. 2016, arXiv:1607.06450)
  at::Tensor weight, bias;
  double epsilon = 1e-5;
};

// How a family's files keep a linear layer's weight.
enum class LinearLayout {
  kInputFirst,   // [in, out]: GPT-2's Conv1D
  kOutputFirst,  // [out, in]: torch.nn.Linear
};

// The layers of canonical name `name` ("h.0.mlp.c_fc"): its ".weight" and ".bias". A linear layer
// without a bias in `weights` gets one of zeros.
Linear TakeLinear(const Weights& weights, const std::string& name, LinearLayout layout);
Norm TakeNorm(const Weights& weights, const std::string& name, double epsilon);

// Whether autograd records what is done with `x`: then nothing may be written into buffers.
bool RecordsGradient(const at::Tensor& x);

// x [rows, in] times the layer: [rows, out], as one matrix product. Written into `buffer`, which is
// made where it is undefined or of another size, unless gradients are recorded; `buffer` may have
// any stride between rows.
at::Tensor Apply(const Linear& linear, const at::Tensor& x, at::Tensor& buffer);

at::Tensor Normalise(const Norm& norm, const at::Tensor& x);

}  // namespace homolog::engine

#endif  // HOMOLOG_SERVER_ENGINE_LAYERS_H_
