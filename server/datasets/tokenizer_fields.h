// Values of a tokenizer's JSON files, with their types checked; private to this room. `what` names
// the value in messages. Errors: INVALID_ARGUMENT, reason MALFORMED_TOKENIZER.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_DATASETS_TOKENIZER_FIELDS_H_
#define HOMOLOG_SERVER_DATASETS_TOKENIZER_FIELDS_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "server/datasets/bpe_definition.h"

namespace homolog::datasets {

// Parses the file `name`, whose value must be an object.
absl::StatusOr<nlohmann::json> ParseObject(std::string_view name, std::string_view text);

// The value of `key`; null where it is absent.
const nlohmann::json& Field(const nlohmann::json& object, const char* key);

// Boolean or string of `key`; the default, or nothing, where it is absent or null.
absl::StatusOr<bool> BoolField(const nlohmann::json& object, const char* key, bool absent);
absl::StatusOr<std::optional<std::string>> StringField(const nlohmann::json& object,
                                                       const char* key);

// An id in [0, kTokenIdLimit).
absl::StatusOr<int32_t> TokenId(const nlohmann::json& value, std::string_view what);

// An object of token to id.
absl::StatusOr<BpeVocabulary> Vocabulary(const nlohmann::json& value, std::string_view what);

// "a b" to (a, b): the merge with this number.
absl::StatusOr<std::pair<std::string, std::string>> SplitMerge(std::string_view text,
                                                               size_t number);

// What tokenizer_config.json says about ids.
struct TokenizerConfig {
  std::optional<std::string> eos_token;
  bool add_prefix_space = false;
};
// Of an empty `text`, the default.
absl::StatusOr<TokenizerConfig> ParseTokenizerConfig(std::string_view text);

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_TOKENIZER_FIELDS_H_
