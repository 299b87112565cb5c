// Loops over float32 numbers that libtorch of its own makes several passes over memory for.
// Compiled for each vector width of x86, chosen when the process starts.
//
// Thread-safety: pure functions on the caller's memory.
#ifndef HOMOLOG_SERVER_ENGINE_VECTOR_MATH_H_
#define HOMOLOG_SERVER_ENGINE_VECTOR_MATH_H_

#include <cstdint>

namespace homolog::engine {

// y[i] = x[i] sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3): the tanh GELU. `y` may be `x`.
// Within 1e-6 of the definition, absolute or relative, whichever is larger.
void GeluTanhLoop(const float* x, float* y, int64_t count);

// Softmax of row[0, count), in place: finite numbers, at least one. Weights below e^-80 of the
// largest become 0. Within 1e-6 of the definition.
void SoftmaxLoop(float* row, int64_t count);

}  // namespace homolog::engine

#endif  // HOMOLOG_SERVER_ENGINE_VECTOR_MATH_H_
