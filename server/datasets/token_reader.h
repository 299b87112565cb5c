// Uploaded bytes to token ids, as a stream: plain text through a tokenizer, or a NumPy .npy file of
// ids. Neither ever holds the whole upload.
//
// Thread-safety: a reader belongs to one thread at a time.
#ifndef HOMOLOG_SERVER_DATASETS_TOKEN_READER_H_
#define HOMOLOG_SERVER_DATASETS_TOKEN_READER_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/datasets/tokenizer.h"

namespace homolog::datasets {

class TokenReader {
 public:
  virtual ~TokenReader() = default;
  // Takes the next bytes of the upload, cut anywhere, and appends the ids they give to `ids`.
  virtual absl::Status Feed(std::string_view bytes, std::vector<int32_t>& ids) = 0;
  // The upload is complete: appends the last ids, or says what is missing.
  virtual absl::Status Finish(std::vector<int32_t>& ids) = 0;
};

// Plain text. `tokenizer` outlives the reader.
std::unique_ptr<TokenReader> MakeTextReader(const Tokenizer& tokenizer);

// A NumPy .npy file (format versions 1 to 3), C order, 1 or 2 dimensions (rows follow each other),
// little-endian uint16, int32 or int64. INVALID_ARGUMENT: reason MALFORMED_NPY for anything else, a
// header beyond 64 KiB, or data shorter or longer than the header says; reason TOKEN_OUT_OF_RANGE
// with position and id for an id outside [0, vocabulary_size).
std::unique_ptr<TokenReader> MakeNpyReader(int64_t vocabulary_size);

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_TOKEN_READER_H_
