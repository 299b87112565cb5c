// Where an analysis gets its tokens from.
//
// Thread-safety: implementations allow concurrent reads.
#ifndef HOMOLOG_SERVER_ANALYSIS_TOKEN_SEQUENCES_H_
#define HOMOLOG_SERVER_ANALYSIS_TOKEN_SEQUENCES_H_

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>

#include "absl/status/statusor.h"

namespace homolog::analysis {

// A token stream cut into sequences without overlap.
class TokenSequences {
 public:
  virtual ~TokenSequences() = default;
  virtual int64_t sequence_count() const = 0;
  virtual int64_t sequence_length() const = 0;  // tokens
  // Sequences [first, first + count) as [count, sequence_length] int64 on the CPU.
  virtual absl::StatusOr<at::Tensor> Read(int64_t first, int64_t count) const = 0;
};

// Sequences per batch so that a batch has about `positions` positions, at least one sequence.
inline int64_t SequencesPerBatch(const TokenSequences& tokens, int64_t positions) {
  return std::max<int64_t>(1, positions / tokens.sequence_length());
}

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_TOKEN_SEQUENCES_H_
