// Floating-point operations of matrix products: 2 per multiplication and addition. All else (norms,
// nonlinearities, statistics) counts as nothing, so that a share of the matrix rate shows its cost.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_TESTS_BENCH_OPERATION_COUNT_H_
#define HOMOLOG_TESTS_BENCH_OPERATION_COUNT_H_

#include <cstdint>

#include "server/engine/model.h"

namespace homolog::bench {

// [rows, inner] times [inner, columns].
double ProductOperations(int64_t rows, int64_t inner, int64_t columns);

// Reading the activations of `tokens` tokens of a GPT-2 in sequences of `length`: every layer's
// attention (over the positions that it sees, not the masked ones) and first MLP product, and the
// second MLP product of every layer but the last, which nothing needs.
double ForwardOperations(const engine::ModelShape& shape, int64_t tokens, int64_t length);

}  // namespace homolog::bench

#endif  // HOMOLOG_TESTS_BENCH_OPERATION_COUNT_H_
