// Text to the pieces that byte-level BPE merges within: the expression of GPT-2,
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// where \s is Unicode White_Space, as in Hugging Face tokenizers. Every character falls into
// exactly one piece.
// Source: https://github.com/openai/gpt-2/blob/master/src/encoder.py
//
// Thread-safety: a PreTokenizer belongs to one thread at a time.
#ifndef HOMOLOG_SERVER_DATASETS_PRE_TOKENIZER_H_
#define HOMOLOG_SERVER_DATASETS_PRE_TOKENIZER_H_

#include <cstddef>
#include <memory>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace homolog::datasets {

class PreTokenizer {
 public:
  PreTokenizer();
  ~PreTokenizer();

  // Hands every piece of valid UTF-8 `text` to `take`, in order.
  absl::Status Split(std::string_view text, absl::FunctionRef<void(std::string_view)> take);

  // True where `text`, cut at `at`, splits in two parts as it does in one, whatever stands before
  // and behind it: a change of the kind of character behind anything but white space (a letter,
  // then a comma; a word, then a space). `at` lies between two characters of `text`.
  bool MayCut(std::string_view text, size_t at);

 private:
  enum class Kind { kLetter = 1, kNumber, kSpace, kOther };
  Kind KindOf(std::string_view text, size_t at);

  struct Matcher;
  const std::unique_ptr<Matcher> pieces_;
  const std::unique_ptr<Matcher> kinds_;
};

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_PRE_TOKENIZER_H_
