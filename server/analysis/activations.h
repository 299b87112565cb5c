// Activations of many positions and all layers as one wide matrix.
//
// Thread-safety: an ActivationReader belongs to one thread at a time. Throws what libtorch throws.
#ifndef HOMOLOG_SERVER_ANALYSIS_ACTIVATIONS_H_
#define HOMOLOG_SERVER_ANALYSIS_ACTIVATIONS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "server/engine/model.h"

namespace homolog::analysis {

// Reads one model. The matrix is kept from batch to batch, so that reading allocates nothing anew.
class ActivationReader {
 public:
  // `model` outlives the reader.
  ActivationReader(const engine::Model& model, engine::Site site);

  // tokens: [sequence, position] int64 on any device. kept: the flat indices (sequence * length +
  // position) of the counted positions, int64 on the model's device; undefined: all of them.
  // Returns [kept position + spare row, layer * d_mlp + neuron] float32 on the model's device,
  // valid until the next call; the caller may change it in place. The last `spare_rows` rows hold
  // nothing.
  at::Tensor Read(const at::Tensor& tokens, const at::Tensor& kept, int64_t spare_rows);

  // Gives the matrix's memory back; what Read returned is not valid any more.
  void Release() { wide_.reset(); }

 private:
  const engine::Model& model_;
  const engine::Site site_;
  at::Tensor wide_;
};

// The flat indices of the positions of `tokens` (on the CPU) whose id is not in `excluded`
// (sorted); undefined where `excluded` is empty.
at::Tensor KeptPositions(const at::Tensor& tokens, const std::vector<int64_t>& excluded);

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_ACTIVATIONS_H_
