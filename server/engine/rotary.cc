#include "server/engine/rotary.h"

#include <ATen/ATen.h>

namespace homolog::engine {

Rotary::Rotary(int64_t dimensions, double base, int64_t positions,
               const at::TensorOptions& options) {
  const at::Tensor exponents = at::arange(0, dimensions, 2, at::kFloat) / dimensions;
  const at::Tensor frequencies = at::scalar_tensor(base, at::kFloat).pow(exponents).reciprocal();
  const at::Tensor angles =
      at::arange(positions, at::kFloat).unsqueeze(1) * frequencies.unsqueeze(0);
  cosine_ = angles.cos().unsqueeze(1).to(options);
  sine_ = angles.sin().unsqueeze(1).to(options);
}

void Rotary::Turn(at::Tensor x) const {
  const int64_t half = cosine_.size(-1);
  at::Tensor first = x.narrow(-1, 0, half), second = x.narrow(-1, half, half);
  const at::Tensor turned = first * cosine_ - second * sine_;
  second.copy_(second * cosine_ + first * sine_);
  first.copy_(turned);
}

}  // namespace homolog::engine
