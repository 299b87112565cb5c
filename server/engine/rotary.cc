#include "server/engine/rotary.h"

#include <ATen/ATen.h>

namespace homolog::engine {

Rotary::Rotary(int64_t dimensions, double base, int64_t context_length,
               const at::TensorOptions& options) {
  const at::Tensor exponents = at::arange(0, dimensions, 2, at::kFloat) / dimensions;
  const at::Tensor frequencies = at::scalar_tensor(base, at::kFloat).pow(exponents).reciprocal();
  const at::Tensor positions = at::arange(context_length, at::kFloat);
  const at::Tensor angles = positions.unsqueeze(1) * frequencies.unsqueeze(0);
  cosine_ = angles.cos().unsqueeze(1).to(options);
  sine_ = angles.sin().unsqueeze(1).to(options);
}

void Rotary::Turn(at::Tensor x) const {
  const int64_t half = cosine_.size(-1), positions = x.size(1);
  const at::Tensor cosine = cosine_.narrow(0, 0, positions), sine = sine_.narrow(0, 0, positions);
  at::Tensor first = x.narrow(-1, 0, half), second = x.narrow(-1, half, half);
  const at::Tensor turned = first * cosine - second * sine;
  second.copy_(second * cosine + first * sine);
  first.copy_(turned);
}

}  // namespace homolog::engine
