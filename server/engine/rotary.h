// Rotary position embedding (Su et al. 2021, arXiv:2104.09864), in the halves layout of GPT-NeoX:
// dimension i turns with dimension i + n / 2.
#ifndef HOMOLOG_SERVER_ENGINE_ROTARY_H_
#define HOMOLOG_SERVER_ENGINE_ROTARY_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace homolog::engine {

// Thread-safety: immutable. Methods throw what libtorch throws.
class Rotary {
 public:
  // Turns the first `dimensions` of a head, rounded up to an even number, at positions below
  // `positions`, the pair i by position / base^(2 i / dimensions): as transformers does, also
  // for an odd number and with angles in float32.
  Rotary(int64_t dimensions, double base, int64_t positions, const at::TensorOptions& options);

  // Turns x [batch, position, head, d_head] in place; it has just the positions given.
  void Turn(at::Tensor x) const;

 private:
  at::Tensor cosine_, sine_;  // [positions, 1, pairs]
};

}  // namespace homolog::engine

#endif  // HOMOLOG_SERVER_ENGINE_ROTARY_H_
