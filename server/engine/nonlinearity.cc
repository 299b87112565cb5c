#include "server/engine/nonlinearity.h"

#include <ATen/ATen.h>

#include <utility>

namespace homolog::engine {
namespace {

// gelu(x) = x Phi(x), and its tanh approximation (Hendrycks and Gimpel 2016, arXiv:1606.08415).
at::Tensor GeluExact(const at::Tensor& x) { return at::gelu(x, "none"); }
at::Tensor GeluTanh(const at::Tensor& x) { return at::gelu(x, "tanh"); }
at::Tensor QuickGelu(const at::Tensor& x) { return x * at::sigmoid(1.702 * x); }
at::Tensor Relu(const at::Tensor& x) { return at::relu(x); }
at::Tensor Silu(const at::Tensor& x) { return at::silu(x); }
at::Tensor Tanh(const at::Tensor& x) { return at::tanh(x); }

constexpr std::pair<std::string_view, Nonlinearity> kNonlinearities[] = {
    {"gelu", GeluExact},
    {"gelu_fast", GeluTanh},
    {"gelu_new", GeluTanh},
    {"gelu_pytorch_tanh", GeluTanh},
    {"quick_gelu", QuickGelu},
    {"relu", Relu},
    {"silu", Silu},
    {"swish", Silu},
    {"tanh", Tanh},
};

}  // namespace

Nonlinearity FindNonlinearity(std::string_view name) {
  for (const auto& [known, function] : kNonlinearities) {
    if (known == name) return function;
  }
  return nullptr;
}

std::string SupportedNonlinearities() {
  std::string names;
  for (const auto& [known, function] : kNonlinearities) {
    if (!names.empty()) names += ", ";
    names += known;
  }
  return names;
}

}  // namespace homolog::engine
