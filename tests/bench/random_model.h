// Models and tokens out of a random number generator: speed does not depend on what they hold.
//
// Thread-safety: pure functions; a MemoryTokens is immutable. They throw what libtorch throws.
#ifndef HOMOLOG_TESTS_BENCH_RANDOM_MODEL_H_
#define HOMOLOG_TESTS_BENCH_RANDOM_MODEL_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/analysis/token_sequences.h"
#include "server/engine/model.h"

namespace homolog::bench {

// The published GPT-2 small.
inline constexpr engine::ModelShape kGpt2Small = {.layers = 12,
                                                  .d_model = 768,
                                                  .d_mlp = 3072,
                                                  .heads = 12,
                                                  .vocabulary_size = 50257,
                                                  .context_length = 1024};

// A GPT-2 on the CPU with matrices N(0, 0.02^2), norms 1 and biases 0, of type `precision`.
// INVALID_ARGUMENT for sizes that are no GPT-2's.
absl::StatusOr<std::unique_ptr<engine::Model>> RandomModel(const engine::ModelShape& shape,
                                                           uint64_t seed,
                                                           at::ScalarType precision = at::kFloat);

// The same model as a checkpoint's folder, which is made: config.json and model.safetensors.
absl::Status WriteRandomCheckpoint(const std::filesystem::path& folder,
                                   const engine::ModelShape& shape, uint64_t seed);

class MemoryTokens : public analysis::TokenSequences {
 public:
  // tokens: [sequence, position] int64 on the CPU.
  explicit MemoryTokens(at::Tensor tokens) : tokens_(std::move(tokens)) {}

  int64_t sequence_count() const override { return tokens_.size(0); }
  int64_t sequence_length() const override { return tokens_.size(1); }
  absl::StatusOr<at::Tensor> Read(int64_t first, int64_t count) const override {
    return tokens_.narrow(0, first, count);
  }

 private:
  const at::Tensor tokens_;
};

// `sequences` sequences of `length` tokens, uniform over the vocabulary.
MemoryTokens RandomTokens(int64_t sequences, int64_t length, int64_t vocabulary, uint64_t seed);

}  // namespace homolog::bench

#endif  // HOMOLOG_TESTS_BENCH_RANDOM_MODEL_H_
