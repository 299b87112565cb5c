#include "server/datasets/checkpoint_tokenizer.h"

#include "server/datasets/tokenizer_cache.h"

namespace homolog::datasets {

absl::StatusOr<CheckpointTokenizer> OpenCheckpointTokenizer(const std::string& folder,
                                                            int64_t vocabulary_size) {
  return TokenizerCache().Open(folder, vocabulary_size);
}

}  // namespace homolog::datasets
