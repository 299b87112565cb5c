// Text to token ids.
//
// Thread-safety: a Tokenizer is immutable and may be used from any thread; an Encoder belongs to
// one thread at a time.
#ifndef HOMOLOG_SERVER_DATASETS_TOKENIZER_H_
#define HOMOLOG_SERVER_DATASETS_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace homolog::datasets {

// A stream of text on its way to token ids. Text may be cut anywhere between two calls, also inside
// a character: the ids are those of the whole document. A tokenizer of UTF-8 refuses, with
// INVALID_ARGUMENT (reason MALFORMED_TEXT), bytes that are none (saying where), and text that goes
// on for 16 MiB without a place where its ids are certain. An error is final.
class Encoder {
 public:
  virtual ~Encoder() = default;
  // Appends to `ids` what is certain after `text`, or less: some text may be kept back.
  virtual absl::Status Encode(std::string_view text, std::vector<int32_t>& ids) = 0;
  // Appends the rest, at the end of a document. The next text begins a new one.
  virtual absl::Status Finish(std::vector<int32_t>& ids) = 0;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // The tokenizer outlives the encoder.
  virtual std::unique_ptr<Encoder> NewEncoder() const = 0;
  // The text of `ids`: their bytes, joined, which need not be whole characters at either end.
  // OUT_OF_RANGE (reason TOKEN_OUT_OF_RANGE) for an id without a text.
  virtual absl::StatusOr<std::string> Decode(const std::vector<int32_t>& ids) const = 0;
  // Largest id + 1.
  virtual int64_t vocabulary_size() const = 0;
  // SHA-256 of everything that determines the ids: equal digests give equal ids.
  virtual std::string digest() const = 0;
  // "bytes", "byte-level-bpe".
  virtual std::string kind() const = 0;
  // The id that stands between documents: "<|endoftext|>", or what the tokenizer's files name as
  // its eos_token; for bytes, a line feed. Nothing where there is none.
  virtual std::optional<int32_t> end_of_text() const = 0;
};

// One token a byte, id = byte value, vocabulary 256.
std::unique_ptr<Tokenizer> MakeByteTokenizer();

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_TOKENIZER_H_
