// Normal random numbers by the vector. Compiled for each vector width of x86, chosen when the
// process starts; without contraction, so that all give equal bits.
//
// Thread-safety: pure function on the caller's memory.
#ifndef HOMOLOG_SERVER_ANALYSIS_GAUSSIAN_LOOP_H_
#define HOMOLOG_SERVER_ANALYSIS_GAUSSIAN_LOOP_H_

#include <cstdint>

namespace homolog::analysis {

// out[0, count): independent standard normal numbers by Box and Muller (1958) from 32 bits each of
// the stream `key` from number `first` on: |out| < 6.8, spaced as float32 is. They depend on key
// and first alone. Both are even.
void GaussianLoop(uint64_t key, uint64_t first, int64_t count, float* out);

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_GAUSSIAN_LOOP_H_
