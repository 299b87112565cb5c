#include "server/analysis/extraction.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "server/engine/torch_errors.h"

namespace homolog::analysis {

absl::StatusOr<std::vector<at::Tensor>> ExtractActivations(const engine::Model& model,
                                                           const at::Tensor& tokens,
                                                           const ExtractionOptions& options) {
  return engine::CatchTorch([&]() -> absl::StatusOr<std::vector<at::Tensor>> {
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> layers;
    const at::Tensor columns = options.neurons.empty()
                                   ? at::Tensor()
                                   : at::tensor(options.neurons, at::kLong).to(model.device());
    engine::ForwardOptions forward;
    forward.tap_site = options.site;
    forward.last_layer = options.layers.back();
    forward.tap = [&](int64_t layer, const at::Tensor& activations) {
      if (!std::binary_search(options.layers.begin(), options.layers.end(), layer)) return;
      const at::Tensor flat = activations.reshape({-1, activations.size(-1)});
      const at::Tensor chosen = columns.defined() ? flat.index_select(1, columns) : flat;
      // Always a copy: the activations are the model's own, and there for this call only.
      layers.push_back(
          chosen.to(at::kCPU, options.dtype, /*non_blocking=*/false, /*copy=*/true).contiguous());
    };
    model.Hidden(tokens.to(model.device()), forward);
    return layers;
  });
}

}  // namespace homolog::analysis
