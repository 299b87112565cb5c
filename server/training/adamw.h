// AdamW with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101) and clipping by
// the norm over all gradients.
//
// Thread-safety: belongs to one thread at a time. Methods throw what libtorch throws.
#ifndef HOMOLOG_SERVER_TRAINING_ADAMW_H_
#define HOMOLOG_SERVER_TRAINING_ADAMW_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "server/training/parameters.h"
#include "server/training/recipe.h"

namespace homolog::training {

class AdamW {
 public:
  // `parameters` have their gradients (Leaves was called) and outlive the optimiser.
  AdamW(Parameters& parameters, const Recipe& recipe);

  // One step along the gradients, which are then zero. Returns their norm before clipping.
  double Step(double learning_rate);

 private:
  double Clip();

  Parameters& parameters_;
  const Recipe recipe_;
  int64_t steps_ = 0;
  at::Tensor mean_, square_, scratch_;
};

}  // namespace homolog::training

#endif  // HOMOLOG_SERVER_TRAINING_ADAMW_H_
