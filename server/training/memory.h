// How much memory a training takes.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_TRAINING_MEMORY_H_
#define HOMOLOG_SERVER_TRAINING_MEMORY_H_

#include <cstdint>

#include "absl/status/status.h"
#include "server/training/recipe.h"

namespace homolog::training {

// An estimate in bytes of what one process needs at its peak, from below: weights, the optimiser's
// state, and what a step keeps for its backward pass.
double MemoryBytes(const Recipe& recipe);

// RESOURCE_EXHAUSTED (reason OUT_OF_MEMORY) where `processes` of them need more than
// `available` bytes. Found out before hours of swapping.
absl::Status CheckMemory(const Recipe& recipe, int64_t processes, int64_t available);

}  // namespace homolog::training

#endif  // HOMOLOG_SERVER_TRAINING_MEMORY_H_
