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
  std::string kind;    // "bytes", or "none" where text cannot be tokenized
  std::string digest;  // of what determines the ids; without a tokenizer, of the vocabulary's size
  std::unique_ptr<Tokenizer> tokenizer;  // null for "none"
  std::string why_none;                  // for people, for "none"
};

// Looks for a tokenizer in `folder` and its parent. A model without one whose vocabulary is 256 is
// byte-level; any other has none, and its data sets come as ids.
absl::StatusOr<CheckpointTokenizer> OpenCheckpointTokenizer(const std::string& folder,
                                                            int64_t vocabulary_size);

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_CHECKPOINT_TOKENIZER_H_
