// Byte-level BPE tokenizers from the bytes of their files, which are input from outside: pure
// functions of them.
//
// Common errors, all INVALID_ARGUMENT: reason MALFORMED_TOKENIZER for what contradicts its format
// or itself, reason UNSUPPORTED_TOKENIZER for what is well-formed but would give ids in a way that
// Homolog does not know, by name. Nothing is guessed: a file that is accepted gives the ids that
// Hugging Face tokenizers gives.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_DATASETS_TOKENIZER_FILES_H_
#define HOMOLOG_SERVER_DATASETS_TOKENIZER_FILES_H_

#include <memory>
#include <string_view>

#include "absl/status/statusor.h"
#include "server/datasets/tokenizer.h"

namespace homolog::datasets {

// tokenizer.json: a BPE model, normaliser none or NFC, pre-tokeniser ByteLevel. Post-processor,
// truncation and padding are not used: a data set holds the plain ids of a text, without special
// tokens around it. `tokenizer_config`: the text of tokenizer_config.json, or empty; only its
// eos_token is used.
absl::StatusOr<std::shared_ptr<const Tokenizer>> ParseTokenizerJson(
    std::string_view tokenizer_json, std::string_view tokenizer_config = "");

// vocab.json and merges.txt, as GPT-2 is published. "<|endoftext|>", where the vocabulary has it,
// is a special added token. `added_tokens` is the text of added_tokens.json (content to id) or
// empty; of `tokenizer_config`, or empty, eos_token and add_prefix_space are used.
absl::StatusOr<std::shared_ptr<const Tokenizer>> ParseVocabFiles(
    std::string_view vocab, std::string_view merges, std::string_view added_tokens = "",
    std::string_view tokenizer_config = "");

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_TOKENIZER_FILES_H_
