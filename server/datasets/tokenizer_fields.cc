#include "server/datasets/tokenizer_fields.h"

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/json.h"
#include "common/text.h"

namespace homolog::datasets {
namespace {

using nlohmann::json;

constexpr size_t kMaxFileBytes = 32 << 20;

absl::Status WrongType(std::string_view what, const json& value, std::string_view right) {
  return MalformedTokenizer(absl::StrCat(std::string(what), " is of type ", value.type_name(),
                                         "; it must be ", std::string(right)));
}

}  // namespace

absl::StatusOr<json> ParseObject(std::string_view name, std::string_view text) {
  absl::StatusOr<json> object = ParseJson(text, kMaxFileBytes);
  if (!object.ok()) {
    return MalformedTokenizer(
        absl::StrCat(std::string(name), ": ", std::string(object.status().message())));
  }
  if (!object->is_object()) return WrongType(name, *object, "an object");
  return object;
}

const json& Field(const json& object, const char* key) {
  static const json& null = *new json();
  const auto found = object.find(key);
  return found == object.end() ? null : *found;
}

absl::StatusOr<bool> BoolField(const json& object, const char* key, bool absent) {
  const json& value = Field(object, key);
  if (value.is_null()) return absent;
  if (!value.is_boolean()) return WrongType(key, value, "true or false");
  return value.get<bool>();
}

absl::StatusOr<std::optional<std::string>> StringField(const json& object, const char* key) {
  const json& value = Field(object, key);
  if (value.is_null()) return std::nullopt;
  if (!value.is_string()) return WrongType(key, value, "a string");
  return value.get<std::string>();
}

absl::StatusOr<int32_t> TokenId(const json& value, std::string_view what) {
  // Whatever does not fit an int64 is no id either.
  if (!value.is_number_integer()) return WrongType(what, value, "a whole number");
  const bool fits = value.is_number_unsigned() ? value.get<uint64_t>() < kTokenIdLimit
                                               : value.get<int64_t>() >= 0;
  if (!fits) {
    return MalformedTokenizer(absl::StrCat(std::string(what), " is ", value.dump(),
                                           "; ids are 0 to ", kTokenIdLimit - 1));
  }
  return value.get<int32_t>();
}

absl::StatusOr<BpeVocabulary> Vocabulary(const json& value, std::string_view what) {
  if (!value.is_object()) return WrongType(what, value, "an object of token to id");
  BpeVocabulary vocabulary;
  for (const auto& [token, id] : value.items()) {
    HOMOLOG_ASSIGN_OR_RETURN(vocabulary[token],
                             TokenId(id, absl::StrCat("the id of ", Quoted(token))));
  }
  return vocabulary;
}

absl::StatusOr<std::pair<std::string, std::string>> SplitMerge(std::string_view text,
                                                               size_t number) {
  const size_t space = text.find(' ');
  if (space == text.npos || space == 0 || space + 1 == text.size() ||
      text.find(' ', space + 1) != text.npos) {
    return MalformedTokenizer(absl::StrCat("merge ", number, " is ", Quoted(text),
                                           "; it must be two tokens with one space between them"));
  }
  return std::pair(std::string(text.substr(0, space)), std::string(text.substr(space + 1)));
}

absl::StatusOr<TokenizerConfig> ParseTokenizerConfig(std::string_view text) {
  TokenizerConfig config;
  if (text.empty()) return config;
  HOMOLOG_ASSIGN_OR_RETURN(const json object, ParseObject("tokenizer_config.json", text));
  HOMOLOG_ASSIGN_OR_RETURN(config.add_prefix_space, BoolField(object, "add_prefix_space", false));
  // A string, or a token with its properties.
  const json& eos = Field(object, "eos_token");
  if (eos.is_object()) {
    HOMOLOG_ASSIGN_OR_RETURN(config.eos_token, StringField(eos, "content"));
  } else {
    HOMOLOG_ASSIGN_OR_RETURN(config.eos_token, StringField(object, "eos_token"));
  }
  return config;
}

}  // namespace homolog::datasets
