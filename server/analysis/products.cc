#include "server/analysis/products.h"

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/analysis/bfloat16_product.h"
#include "server/analysis/clock.h"

// sum = alpha a a^T + beta sum, one triangle of it (Dongarra et al. 1990, doi:10.1145/77626.79170).
extern "C" void ssyrk_(const char* triangle, const char* transposition, const int* size,
                       const int* depth, const float* alpha, const float* a, const int* a_stride,
                       const float* beta, float* sum, const int* sum_stride);

namespace homolog::analysis {
namespace {

// Rows of the panels that a symmetric product is cut into: what they compute below the diagonal is
// for nothing.
constexpr int64_t kPanel = 512;

// Lets cuBLAS use tensor cores for float32 while it lives.
class AllowTf32 {
 public:
  explicit AllowTf32(bool allow) : before_(at::globalContext().allowTF32CuBLAS()) {
    at::globalContext().setAllowTF32CuBLAS(allow);
  }
  ~AllowTf32() { at::globalContext().setAllowTF32CuBLAS(before_); }
  AllowTf32(const AllowTf32&) = delete;
  AllowTf32& operator=(const AllowTf32&) = delete;

 private:
  const bool before_;
};

// By the BLAS that libtorch multiplies with, and does not show: half of the multiplications. What
// is row by row to us is column by column to it: our a is its transpose, our upper half its lower.
void AddSymmetricProduct(const at::Tensor& a, const at::Tensor& sum) {
  const int size = static_cast<int>(a.size(1)), depth = static_cast<int>(a.size(0)),
            a_stride = static_cast<int>(a.stride(0)), sum_stride = static_cast<int>(sum.stride(0));
  const float one = 1;
  ssyrk_("L", "N", &size, &depth, &one, a.data_ptr<float>(), &a_stride, &one, sum.data_ptr<float>(),
         &sum_stride);
}

// Threads that share a triangle wait for one another.
void AddByOneThreadEach(const std::vector<const SymmetricProduct*>& products) {
  const auto count = static_cast<int64_t>(products.size());
  if (count == 0) return;
  // A range of one would run outside of a parallel region, where BLAS takes all threads.
  at::parallel_for(0, std::max<int64_t>(count, 2), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < std::min(end, count); ++i) {
      AddSymmetricProduct(products[i]->a, products[i]->sum);
    }
  });
}

}  // namespace

absl::Status CheckPrecision(Precision precision, at::Device device) {
  if (precision != Precision::kTf32 || device.is_cuda()) return absl::OkStatus();
  return InvalidArgument("PRECISION_UNAVAILABLE",
                         absl::StrCat("precision tf32 is there on NVIDIA GPUs only, the device is ",
                                      device.str(), "; must be float32 or bfloat16"),
                         {{"precision", "tf32"}, {"device", device.str()}});
}

double MeasuredMultiplicationsPerSecond(Precision precision, at::Device device) {
  constexpr int64_t kSize = 1024;
  const Multiplier multiplier(precision);
  const at::Tensor x = multiplier.Operand(
      at::ones({kSize, kSize}, at::TensorOptions().dtype(at::kFloat).device(device)));
  at::Tensor sum = at::zeros({kSize, kSize}, x.options().dtype(at::kFloat));
  double seconds = 0;
  for (int i = 0; i < 2; ++i) {  // the first one warms up
    const double start = Now();
    multiplier.AddProduct(x, x, sum);
    sum[0][0].item<float>();  // waits for the device
    seconds = Now() - start;
  }
  return static_cast<double>(kSize) * kSize * kSize / seconds;
}

at::Tensor Multiplier::Operand(const at::Tensor& x) const {
  if (precision_ != Precision::kBfloat16) return x;
  // On a GPU as float32 again: products of such numbers are exact in TF32, and cuBLAS's own for
  // bfloat16 would round the sums.
  const at::Tensor rounded = x.to(at::kBFloat16);
  return x.device().is_cpu() && HasBfloat16Product() ? rounded : rounded.to(at::kFloat);
}

void Multiplier::AddProduct(const at::Tensor& a, const at::Tensor& b, at::Tensor sum) const {
  if (a.scalar_type() == at::kBFloat16) {
    AddBfloat16Product(a, b, sum);
    return;
  }
  const AllowTf32 tf32(precision_ != Precision::kFloat32);
  sum.addmm_(a.t(), b);
}

void Multiplier::AddUpperProducts(const std::vector<SymmetricProduct>& products) const {
  std::vector<const SymmetricProduct*> by_one_thread;
  for (const SymmetricProduct& product : products) {
    if (!product.sum.device().is_cpu() || precision_ != Precision::kFloat32) {
      AddUpperPanels(product.a, product.sum);
    } else if (product.one_thread) {
      by_one_thread.push_back(&product);
    } else {
      AddSymmetricProduct(product.a, product.sum);
    }
  }
  AddByOneThreadEach(by_one_thread);
}

void Multiplier::AddUpperPanels(const at::Tensor& a, const at::Tensor& sum) const {
  const int64_t size = a.size(1);
  for (int64_t first = 0; first < size; first += kPanel) {
    const int64_t rows = std::min(kPanel, size - first), columns = size - first;
    AddProduct(a.narrow(1, first, rows), a.narrow(1, first, columns),
               sum.narrow(0, first, rows).narrow(1, first, columns));
  }
}

}  // namespace homolog::analysis
