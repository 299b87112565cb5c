// Whether the layers of a model may be multiplied as one.
#ifndef HOMOLOG_SERVER_ANALYSIS_JOINT_PRODUCTS_H_
#define HOMOLOG_SERVER_ANALYSIS_JOINT_PRODUCTS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace homolog::analysis {

// True where one float32 product on the CPU of `layers` layers, below one another in `sums`, gives
// bit by bit what a product for each of them gives. A BLAS promises no order of summation, and
// kernels differ in it (those of OpenBLAS for AVX2 take rows by twelve, and what remains in another
// order), so this is tried, once in a process for every shape and number of threads, on a few
// positions.
//
// sums: [layers * neurons, columns], contiguous; zeros afterwards. Thread-safe.
bool JointProductsAreExact(const at::Tensor& sums, int64_t layers);

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_JOINT_PRODUCTS_H_
