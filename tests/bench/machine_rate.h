// What the machine can do at best, with the same library and threads as everything else.
//
// Thread-safety: belong to one thread at a time. They throw what libtorch throws.
#ifndef HOMOLOG_TESTS_BENCH_MACHINE_RATE_H_
#define HOMOLOG_TESTS_BENCH_MACHINE_RATE_H_

#include <cstdint>

#include "tests/bench/timing.h"

namespace homolog::bench {

// Whether products of bfloat16 have instructions of their own here; without them they are slower
// than those of float32 and nothing that anybody would run.
bool HasBfloat16();

// Of one at::addmm of square float32 matrices of `size` rows.
Timing TimeMatrixProduct(int64_t size, int repetitions);

// Floating-point operations a second of the fastest repetition.
double MatrixRate(int64_t size, int repetitions);

// The mean rate of products in a row for at least `seconds`.
double SustainedMatrixRate(int64_t size, double seconds);

// Of copying `bytes` bytes of float32 from one buffer to another.
Timing TimeCopy(int64_t bytes, int repetitions);

}  // namespace homolog::bench

#endif  // HOMOLOG_TESTS_BENCH_MACHINE_RATE_H_
