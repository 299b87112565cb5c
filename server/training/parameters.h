// The weights of a model in training, in one flat buffer: an optimiser's step is then a handful of
// operations, however many weights there are.
//
// Thread-safety: belongs to one thread at a time. Methods throw what libtorch throws.
#ifndef HOMOLOG_SERVER_TRAINING_PARAMETERS_H_
#define HOMOLOG_SERVER_TRAINING_PARAMETERS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "server/engine/architecture.h"

namespace homolog::training {

class Parameters {
 public:
  // The initial weights that GPT-2 has: matrices and embeddings N(0, init_std^2), the projections
  // back into the residual stream divided by sqrt(2 * layers) (Radford et al. 2019), norms 1,
  // biases 0. The same seed (0 to 2^32 - 1) gives the same weights.
  Parameters(const engine::Architecture& architecture, double init_std, int64_t seed);

  const std::vector<engine::WeightSpec>& specs() const { return specs_; }
  // The current value of specs()[index], contiguous; it shares memory with the buffer.
  at::Tensor Value(size_t index) const;

  // The weights by canonical name as leaves of autograd, whose gradients are added to gradients().
  engine::Weights Leaves();

  // All values, and their gradients (undefined before Leaves), in one row. Between two weights
  // there may be zeros whose gradient is always 0.
  const at::Tensor& values() const { return values_; }
  const at::Tensor& gradients() const { return gradients_; }
  // The first `decayed()` values belong to matrices and embeddings, the others to biases and norms.
  int64_t decayed() const { return decayed_; }

 private:
  void Place();
  void Initialise(int64_t layers, double init_std, int64_t seed);
  at::Tensor View(const at::Tensor& buffer, size_t index) const;

  std::vector<engine::WeightSpec> specs_;
  std::vector<int64_t> offsets_;
  int64_t decayed_ = 0;
  at::Tensor values_, gradients_;
};

}  // namespace homolog::training

#endif  // HOMOLOG_SERVER_TRAINING_PARAMETERS_H_
