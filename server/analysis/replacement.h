// What takes the place of ablated activations.
//
// Thread-safety: belong to one thread at a time. They throw what libtorch throws.
#ifndef HOMOLOG_SERVER_ANALYSIS_REPLACEMENT_H_
#define HOMOLOG_SERVER_ANALYSIS_REPLACEMENT_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <set>

#include "absl/status/status.h"
#include "server/analysis/ablation.h"
#include "server/engine/model.h"

namespace homolog::analysis {

// A set of neurons on a device.
class AblatedNeurons {
 public:
  AblatedNeurons(const NeuronSet& set, const engine::ModelShape& shape, at::Device device);

  // -1 where the set is empty.
  int64_t first_layer() const { return masks_.empty() ? -1 : masks_.begin()->first; }
  // bool [d_mlp], true where a neuron is ablated; null where none of the layer is.
  const at::Tensor* Mask(int64_t layer) const;

 private:
  std::map<int64_t, at::Tensor> masks_;  // by layer
};

// What a kind of ablation puts in, for the layers that some set has neurons of.
class Replacement {
 public:
  Replacement(const engine::Model& model, const AblationOptions& options, std::set<int64_t> layers);

  // Bytes per position that SetBatch keeps of that many layers.
  static int64_t BytesPerPosition(const engine::ModelShape& shape, AblationKind kind);

  // Once before the first batch: what depends on the whole data set.
  absl::Status Prepare(const TokenSequences& tokens, RunControl& control);
  // Before each batch: what depends on the batch. tokens: [sequence, position] on the model's
  // device, the first being sequence number `first_sequence` of the data set.
  void SetBatch(const at::Tensor& tokens, int64_t first_sequence, RunControl& control);
  // mlp_post [sequence, position, d_mlp] of one layer with the masked neurons replaced: a new
  // tensor.
  at::Tensor Apply(int64_t layer, const at::Tensor& mask, const at::Tensor& mlp_post) const;

 private:
  absl::Status SumActivations(const TokenSequences& tokens, RunControl& control);
  at::Tensor Instead(int64_t layer, const at::Tensor& mlp_post) const;

  const engine::Model& model_;
  const AblationOptions options_;
  const std::set<int64_t> layers_;
  std::map<int64_t, at::Tensor>
      by_layer_;  // kMean: [d_mlp]; kResample: [sequence, position, d_mlp]
};

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_REPLACEMENT_H_
