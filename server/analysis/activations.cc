#include "server/analysis/activations.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace homolog::analysis {

ActivationReader::ActivationReader(const engine::Model& model, engine::Site site)
    : model_(model), site_(site) {}

at::Tensor ActivationReader::Read(const at::Tensor& tokens, const at::Tensor& kept,
                                  int64_t spare_rows) {
  const engine::ModelShape& shape = model_.description().shape;
  const int64_t rows = kept.defined() ? kept.numel() : tokens.numel();
  if (!wide_.defined() || wide_.size(0) < rows + spare_rows) {
    wide_ = at::empty({rows + spare_rows, shape.neurons()},
                      at::TensorOptions().dtype(at::kFloat).device(model_.device()));
  }
  const at::Tensor wide = wide_.narrow(0, 0, rows + spare_rows);
  engine::ForwardOptions options;
  options.tap_site = site_;
  options.last_layer = shape.layers - 1;
  auto columns = [&](int64_t layer) {
    return wide.narrow(0, 0, rows).narrow(1, layer * shape.d_mlp, shape.d_mlp);
  };
  const at::Tensor index = kept.defined() ? kept.to(model_.device()) : kept;
  if (index.defined()) {
    options.tap = [&](int64_t layer, const at::Tensor& activations) {
      const at::Tensor flat = activations.reshape({-1, shape.d_mlp});
      columns(layer).copy_(flat.index_select(0, index));
    };
  } else {
    options.destination = columns;
  }
  model_.Hidden(tokens.to(model_.device()), options);
  return wide;
}

at::Tensor KeptPositions(const at::Tensor& tokens, const std::vector<int64_t>& excluded) {
  if (excluded.empty()) return {};
  const at::Tensor flat = tokens.reshape({-1}).contiguous();
  const int64_t* ids = flat.data_ptr<int64_t>();
  std::vector<int64_t> kept;
  kept.reserve(flat.numel());
  for (int64_t i = 0; i < flat.numel(); ++i) {
    if (!std::binary_search(excluded.begin(), excluded.end(), ids[i])) kept.push_back(i);
  }
  return at::tensor(kept, at::kLong);
}

}  // namespace homolog::analysis
