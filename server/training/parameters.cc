#include "server/training/parameters.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <string>

#include "absl/strings/match.h"

namespace homolog::training {
namespace {

int64_t Elements(const engine::WeightSpec& spec) {
  int64_t elements = 1;
  for (const int64_t size : spec.shape) elements *= size;
  return elements;
}

bool IsMatrix(const engine::WeightSpec& spec) { return spec.shape.size() > 1; }

}  // namespace

Parameters::Parameters(const engine::Architecture& architecture, double init_std, int64_t seed)
    : specs_(architecture.weight_specs()) {
  Place();
  Initialise(architecture.description().shape.layers, init_std, seed);
}

void Parameters::Place() {
  constexpr int64_t kAlignment = 16;  // floats: one cache line, the widest vector load
  offsets_.resize(specs_.size());
  int64_t end = 0;
  for (const bool matrices : {true, false}) {
    for (size_t i = 0; i < specs_.size(); ++i) {
      if (IsMatrix(specs_[i]) != matrices) continue;
      offsets_[i] = end;
      end += (Elements(specs_[i]) + kAlignment - 1) / kAlignment * kAlignment;
    }
    if (matrices) decayed_ = end;
  }
  values_ = at::zeros({end}, at::kFloat);
}

void Parameters::Initialise(int64_t layers, double init_std, int64_t seed) {
  at::Generator random = at::detail::createCPUGenerator(static_cast<uint64_t>(seed));
  for (size_t i = 0; i < specs_.size(); ++i) {
    const std::string& name = specs_[i].name;
    at::Tensor value = Value(i);
    if (IsMatrix(specs_[i])) {
      const bool to_residual = absl::EndsWith(name, "c_proj.weight");
      const double shrink = to_residual ? std::sqrt(2.0 * static_cast<double>(layers)) : 1.0;
      value.normal_(0.0, init_std / shrink, random);
    } else if (absl::EndsWith(name, ".weight")) {
      value.fill_(1.0);
    }
  }
}

at::Tensor Parameters::View(const at::Tensor& buffer, size_t index) const {
  return buffer.narrow(0, offsets_[index], Elements(specs_[index])).view(specs_[index].shape);
}

at::Tensor Parameters::Value(size_t index) const { return View(values_, index); }

engine::Weights Parameters::Leaves() {
  gradients_ = at::zeros_like(values_);
  engine::Weights leaves;
  for (size_t i = 0; i < specs_.size(); ++i) {
    at::Tensor leaf = Value(i).detach();
    leaf.set_requires_grad(true);
    // Autograd adds to a gradient that is there in place.
    leaf.mutable_grad() = View(gradients_, i);
    leaves.emplace(specs_[i].name, leaf);
  }
  return leaves;
}

}  // namespace homolog::training
