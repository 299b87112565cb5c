#include "server/engine/layers.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

namespace homolog::engine {

Linear TakeLinear(const Weights& weights, const std::string& name, LinearLayout layout) {
  at::Tensor weight = weights.at(name + ".weight");
  if (layout == LinearLayout::kOutputFirst) weight = weight.t();
  const auto bias = weights.find(name + ".bias");
  if (bias != weights.end()) return {weight, bias->second};
  return {weight, at::zeros({weight.size(1)}, weight.options().requires_grad(false))};
}

Norm TakeNorm(const Weights& weights, const std::string& name, double epsilon) {
  return {weights.at(name + ".weight"), weights.at(name + ".bias"), epsilon};
}

bool RecordsGradient(const at::Tensor& x) {
  return at::GradMode::is_enabled() && x.requires_grad();
}

at::Tensor Apply(const Linear& linear, const at::Tensor& x, at::Tensor& buffer) {
  const bool gradient = RecordsGradient(x) || RecordsGradient(linear.weight);
  const bool fits =
      buffer.defined() && buffer.size(0) == x.size(0) && buffer.size(1) == linear.weight.size(1);
  if (gradient) return at::addmm(linear.bias, x, linear.weight);
  if (!fits) buffer = at::empty({x.size(0), linear.weight.size(1)}, x.options());
  return at::addmm_out(buffer, linear.bias, x, linear.weight);
}

at::Tensor Normalise(const Norm& norm, const at::Tensor& x) {
  return at::layer_norm(x, {x.size(-1)}, norm.weight, norm.bias, norm.epsilon);
}

}  // namespace homolog::engine
