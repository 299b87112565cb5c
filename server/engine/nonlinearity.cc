#include "server/engine/nonlinearity.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <utility>

#include "server/engine/vector_math.h"

namespace homolog::engine {
namespace {

// Numbers per piece: few enough to stay in a core's cache with the temporaries of a composed
// function, and enough for what a call of libtorch costs by itself.
constexpr int64_t kPiece = 65536;

// gelu(x) = x Phi(x) (Hendrycks and Gimpel 2016, arXiv:1606.08415).
at::Tensor GeluExact(const at::Tensor& x) { return at::gelu(x, "none"); }

// Its approximation x (1 + tanh(u)) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3).
at::Tensor GeluTanh(const at::Tensor& x) { return at::gelu(x, "tanh"); }

void GeluTanhRows(const at::Tensor& x, const at::Tensor& out, int64_t first, int64_t count) {
  for (int64_t row = first; row < first + count; ++row) {
    GeluTanhLoop(x.data_ptr<float>() + row * x.stride(0),
                 out.data_ptr<float>() + row * out.stride(0), x.size(1));
  }
}

at::Tensor QuickGelu(const at::Tensor& x) { return x * at::sigmoid(1.702 * x); }
at::Tensor Relu(const at::Tensor& x) { return at::relu(x); }
at::Tensor SquaredRelu(const at::Tensor& x) { return at::relu(x).square(); }
at::Tensor Relu6(const at::Tensor& x) { return at::clamp(x, 0, 6); }
at::Tensor Silu(const at::Tensor& x) { return at::silu(x); }
at::Tensor Mish(const at::Tensor& x) { return at::mish(x); }
at::Tensor Tanh(const at::Tensor& x) { return at::tanh(x); }
at::Tensor Sigmoid(const at::Tensor& x) { return at::sigmoid(x); }
at::Tensor Identity(const at::Tensor& x) { return x; }

constexpr std::pair<std::string_view, Nonlinearity> kNonlinearities[] = {
    {"gelu", GeluExact},
    {"gelu_accurate", GeluTanh},
    {"gelu_fast", GeluTanh},
    {"gelu_new", GeluTanh},
    {"gelu_python", GeluExact},
    {"gelu_pytorch_tanh", GeluTanh},
    {"linear", Identity},
    {"mish", Mish},
    {"quick_gelu", QuickGelu},
    {"relu", Relu},
    {"relu2", SquaredRelu},
    {"relu6", Relu6},
    {"sigmoid", Sigmoid},
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

void ApplyNonlinearity(Nonlinearity f, const at::Tensor& x, const at::Tensor& out) {
  if (!x.device().is_cpu()) {
    out.copy_(f(x));
    return;
  }
  // libtorch's tanh takes the most of a GELU's time.
  const bool loop = f == GeluTanh && x.scalar_type() == at::kFloat &&
                    out.scalar_type() == at::kFloat && x.stride(1) == 1 && out.stride(1) == 1;
  const int64_t rows = std::max<int64_t>(1, kPiece / std::max<int64_t>(1, x.size(1)));
  const int64_t pieces = (x.size(0) + rows - 1) / rows;
  at::parallel_for(0, pieces, 1, [&](int64_t begin, int64_t end) {
    const at::NoGradGuard no_grad;
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t first = piece * rows, count = std::min(rows, x.size(0) - first);
      if (loop) {
        GeluTanhRows(x, out, first, count);
      } else {
        out.narrow(0, first, count).copy_(f(x.narrow(0, first, count)));
      }
    }
  });
}

}  // namespace homolog::engine
