// The tokenizer of a checkpoint, from its folder.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_DATASETS_CHECKPOINT_TOKENIZER_H_
#define HOMOLOG_SERVER_DATASETS_CHECKPOINT_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/datasets/tokenizer.h"

namespace homolog::datasets {

struct CheckpointTokenizer {
  std::string kind;    // "bytes", "byte-level-bpe", or "none" where text cannot be tokenized
  std::string digest;  // of what determines the ids; without a tokenizer, of the vocabulary's size
  std::shared_ptr<const Tokenizer> tokenizer;  // null for "none"
  std::string why_none;                        // for people, for "none"
};

// Looks for tokenizer.json, or vocab.json with merges.txt, in `folder` and then in its parent. A
// model without either whose vocabulary is 256 is byte-level; any other has none, and its data sets
// come as ids. So do those of a model whose tokenizer cannot be read, or gives ids beyond the
// model's vocabulary. UNAVAILABLE (reason FILE_UNREADABLE) where a file is there and cannot be
// opened. (A model with more rows than its tokenizer has ids is padded, and fine.)
absl::StatusOr<CheckpointTokenizer> OpenCheckpointTokenizer(const std::string& folder,
                                                            int64_t vocabulary_size);

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_CHECKPOINT_TOKENIZER_H_
