// The random matrices of the baseline.
//
// Thread-safety: pure functions. They throw what libtorch throws.
#ifndef HOMOLOG_SERVER_ANALYSIS_ROTATION_H_
#define HOMOLOG_SERVER_ANALYSIS_ROTATION_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace homolog::analysis {

enum class BaselineKind { kGaussian, kOrthogonal };

// Random matrix number `matrix` for layer `layer`: [size, size] float32 on the CPU. Gaussian:
// independent normal entries of variance 1 / size; rows are not normalised, since correlations do
// not depend on their lengths. Orthogonal: Q of the QR decomposition of a Gaussian matrix, columns
// multiplied by the signs of R's diagonal, which makes it Haar distributed (Mezzadri 2007,
// arXiv:math-ph/0609050). Depends on the arguments alone.
at::Tensor RandomMatrix(BaselineKind kind, int64_t size, uint64_t seed, int64_t matrix,
                        int64_t layer);

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_ROTATION_H_
