// Products of bfloat16 numbers on the CPU that are summed in float32: libtorch's own round the sum
// to bfloat16.
#ifndef HOMOLOG_SERVER_ANALYSIS_BFLOAT16_PRODUCT_H_
#define HOMOLOG_SERVER_ANALYSIS_BFLOAT16_PRODUCT_H_

#include <ATen/core/Tensor.h>

namespace homolog::analysis {

// Whether oneDNN has such a product for this processor: AVX-512 at least.
bool HasBfloat16Product();

// sum += a^T b. a: [depth, rows], b: [depth, columns] bfloat16, sum: [rows, columns] float32, all
// on the CPU, rows of each contiguous. Throws dnnl::error.
//
// Thread-safety: pure function.
void AddBfloat16Product(const at::Tensor& a, const at::Tensor& b, at::Tensor sum);

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_BFLOAT16_PRODUCT_H_
