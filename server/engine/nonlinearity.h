// The MLP nonlinearities, by their Hugging Face names.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_ENGINE_NONLINEARITY_H_
#define HOMOLOG_SERVER_ENGINE_NONLINEARITY_H_

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>

namespace homolog::engine {

// Elementwise and differentiable.
using Nonlinearity = at::Tensor (*)(const at::Tensor&);

// The function named `name` (transformers.activations.ACT2FN), or nullptr where it is not
// supported.
Nonlinearity FindNonlinearity(std::string_view name);

// The supported names, for messages.
std::string SupportedNonlinearities();

// f(x) into `out`, both [rows, columns] with any stride between rows. On the CPU in pieces that
// stay in the cache, over all threads. `out` may be `x`. Not differentiable.
void ApplyNonlinearity(Nonlinearity f, const at::Tensor& x, const at::Tensor& out);

}  // namespace homolog::engine

#endif  // HOMOLOG_SERVER_ENGINE_NONLINEARITY_H_
