// The published method, written plainly: what a user would run instead of Homolog.
//
// For an ordered pair of models: forward both, multiply layer pair by layer pair in float32, add
// into float64, Pearson and maximum at the end; then all of it once more with the partner's
// activations rotated token by token, which gives the baseline (Gurnee et al. 2024,
// arXiv:2401.12181; their correlations_fast.py). It reads 32 sequences per batch, as theirs does by
// default. Kinder to it than the original: activations stay in float32, need no transposition, and
// the maximum is taken layer by layer, so that no full matrix of correlations is kept.
//
// Thread-safety: pure functions on the calling thread. They throw what libtorch throws.
#ifndef HOMOLOG_TESTS_BENCH_PUBLISHED_METHOD_H_
#define HOMOLOG_TESTS_BENCH_PUBLISHED_METHOD_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "server/analysis/token_sequences.h"
#include "server/engine/model.h"

namespace homolog::bench {

inline constexpr int64_t kPublishedBatch = 32;  // sequences

struct PublishedOptions {
  int64_t batch = kPublishedBatch;
  uint64_t seed = 0;  // of the rotations, as in analysis::RandomMatrix
};

struct PublishedCorrelations {
  std::vector<float> max_corr, baseline;  // one entry per neuron of the reference
};

absl::StatusOr<PublishedCorrelations> PublishedMethod(const engine::Model& reference,
                                                      const engine::Model& partner,
                                                      const analysis::TokenSequences& tokens,
                                                      const PublishedOptions& options);

}  // namespace homolog::bench

#endif  // HOMOLOG_TESTS_BENCH_PUBLISHED_METHOD_H_
