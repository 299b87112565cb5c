#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/text.h"
#include "server/datasets/bpe_definition.h"
#include "server/datasets/byte_level_bpe.h"
#include "server/datasets/tokenizer_fields.h"
#include "server/datasets/tokenizer_files.h"

namespace homolog::datasets {
namespace {

using nlohmann::json;

// The type of a step ("NFC", "ByteLevel"); "null" where there is none.
absl::StatusOr<std::string> TypeOf(const json& step, const char* what) {
  if (step.is_null()) return "null";
  if (!step.is_object()) {
    return MalformedTokenizer(
        absl::StrCat(what, " is of type ", step.type_name(), "; it must be an object or null"));
  }
  HOMOLOG_ASSIGN_OR_RETURN(const std::optional<std::string> type, StringField(step, "type"));
  if (!type) return MalformedTokenizer(absl::StrCat(what, " has no type; it must have one"));
  return *type;
}

// The steps of a Sequence, or the step itself.
absl::StatusOr<std::vector<json>> StepsOf(const json& step, const char* what, const char* key) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string type, TypeOf(step, what));
  if (type != "Sequence") return std::vector<json>{step};
  const json& steps = Field(step, key);
  if (!steps.is_array()) {
    return MalformedTokenizer(absl::StrCat(what, " is a Sequence whose ", key, " is of type ",
                                           steps.type_name(), "; it must be an array"));
  }
  return steps.get<std::vector<json>>();
}

absl::Status ReadNormalizer(const json& file, BpeDefinition& definition) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<json> steps,
                           StepsOf(Field(file, "normalizer"), "normalizer", "normalizers"));
  for (const json& step : steps) {
    HOMOLOG_ASSIGN_OR_RETURN(const std::string type, TypeOf(step, "normalizer"));
    if (type == "null") continue;
    if (type != "NFC") {
      return UnsupportedTokenizer(
          absl::StrCat("its normalizer is ", Quoted(type), "; known are null and NFC"));
    }
    definition.nfc = true;
  }
  return absl::OkStatus();
}

absl::Status ReadPreTokenizer(const json& file, BpeDefinition& definition) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<json> steps,
                           StepsOf(Field(file, "pre_tokenizer"), "pre_tokenizer", "pretokenizers"));
  if (steps.size() != 1) {
    return UnsupportedTokenizer(absl::StrCat("its pre_tokenizer is a sequence of ", steps.size(),
                                             " steps; known is ByteLevel alone"));
  }
  HOMOLOG_ASSIGN_OR_RETURN(const std::string type, TypeOf(steps[0], "pre_tokenizer"));
  if (type != "ByteLevel") {
    return UnsupportedTokenizer(
        absl::StrCat("its pre_tokenizer is ", Quoted(type), "; known is ByteLevel"));
  }
  HOMOLOG_ASSIGN_OR_RETURN(definition.add_prefix_space,
                           BoolField(steps[0], "add_prefix_space", true));
  HOMOLOG_ASSIGN_OR_RETURN(definition.use_regex, BoolField(steps[0], "use_regex", true));
  return absl::OkStatus();
}

absl::Status CheckDecoder(const json& file) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string type, TypeOf(Field(file, "decoder"), "decoder"));
  if (type == "null" || type == "ByteLevel") return absl::OkStatus();
  return UnsupportedTokenizer(
      absl::StrCat("its decoder is ", Quoted(type), "; known is ByteLevel"));
}

absl::StatusOr<std::pair<std::string, std::string>> ReadMerge(const json& merge, size_t number) {
  if (merge.is_string()) return SplitMerge(merge.get_ref<const std::string&>(), number);
  if (!merge.is_array() || merge.size() != 2 || !merge[0].is_string() || !merge[1].is_string()) {
    return MalformedTokenizer(
        absl::StrCat("merge ", number, R"( must be "a b" or ["a", "b"], two tokens)"));
  }
  return std::pair(merge[0].get<std::string>(), merge[1].get<std::string>());
}

absl::Status RefuseUnsupportedModel(const json& model) {
  HOMOLOG_ASSIGN_OR_RETURN(const auto type, StringField(model, "type"));
  // Files older than this key hold nothing else with merges.
  if (type ? *type != "BPE" : Field(model, "merges").is_null()) {
    return UnsupportedTokenizer(
        absl::StrCat("its model is ", Quoted(type.value_or("")), "; known is BPE"));
  }
  HOMOLOG_ASSIGN_OR_RETURN(const bool byte_fallback, BoolField(model, "byte_fallback", false));
  if (byte_fallback) return UnsupportedTokenizer("its model has byte_fallback; known is false");
  const json& dropout = Field(model, "dropout");
  if (!dropout.is_null() && !(dropout.is_number() && dropout.get<double>() == 0)) {
    return UnsupportedTokenizer(
        "its model has dropout, so that a text has many tokenizations; known is null");
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    HOMOLOG_ASSIGN_OR_RETURN(const auto affix, StringField(model, key));
    if (affix.value_or("").empty()) continue;
    return UnsupportedTokenizer(
        absl::StrCat("its model has the ", key, " ", Quoted(*affix), "; known is none"));
  }
  return absl::OkStatus();
}

absl::Status ReadModel(const json& file, BpeDefinition& definition) {
  const json& model = Field(file, "model");
  if (!model.is_object()) {
    return MalformedTokenizer(
        absl::StrCat("model is of type ", model.type_name(), "; it must be an object"));
  }
  HOMOLOG_RETURN_IF_ERROR(RefuseUnsupportedModel(model));
  HOMOLOG_ASSIGN_OR_RETURN(definition.unk_token, StringField(model, "unk_token"));
  HOMOLOG_ASSIGN_OR_RETURN(definition.fuse_unk, BoolField(model, "fuse_unk", false));
  HOMOLOG_ASSIGN_OR_RETURN(definition.ignore_merges, BoolField(model, "ignore_merges", false));
  HOMOLOG_ASSIGN_OR_RETURN(definition.vocabulary, Vocabulary(Field(model, "vocab"), "vocab"));
  const json& merges = Field(model, "merges");
  if (!merges.is_array()) {
    return MalformedTokenizer(
        absl::StrCat("merges is of type ", merges.type_name(), "; it must be an array"));
  }
  definition.merges.reserve(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    HOMOLOG_ASSIGN_OR_RETURN(auto merge, ReadMerge(merges[i], i));
    definition.merges.push_back(std::move(merge));
  }
  return absl::OkStatus();
}

absl::StatusOr<AddedToken> ReadAddedToken(const json& value) {
  if (!value.is_object()) {
    return MalformedTokenizer(absl::StrCat("an element of added_tokens is of type ",
                                           value.type_name(), "; it must be an object"));
  }
  AddedToken token;
  HOMOLOG_ASSIGN_OR_RETURN(const auto content, StringField(value, "content"));
  token.content = content.value_or("");
  HOMOLOG_ASSIGN_OR_RETURN(
      token.id, TokenId(Field(value, "id"),
                        absl::StrCat("the id of the added token ", Quoted(token.content))));
  HOMOLOG_ASSIGN_OR_RETURN(token.special, BoolField(value, "special", false));
  HOMOLOG_ASSIGN_OR_RETURN(token.normalized, BoolField(value, "normalized", !token.special));
  HOMOLOG_ASSIGN_OR_RETURN(token.single_word, BoolField(value, "single_word", false));
  HOMOLOG_ASSIGN_OR_RETURN(token.lstrip, BoolField(value, "lstrip", false));
  HOMOLOG_ASSIGN_OR_RETURN(token.rstrip, BoolField(value, "rstrip", false));
  return token;
}

absl::Status ReadAddedTokens(const json& file, BpeDefinition& definition) {
  const json& values = Field(file, "added_tokens");
  if (values.is_null()) return absl::OkStatus();
  if (!values.is_array()) {
    return MalformedTokenizer(
        absl::StrCat("added_tokens is of type ", values.type_name(), "; it must be an array"));
  }
  std::vector<AddedToken> tokens;
  for (const json& value : values) {
    HOMOLOG_ASSIGN_OR_RETURN(AddedToken token, ReadAddedToken(value));
    tokens.push_back(std::move(token));
  }
  return definition.SetAddedTokens(std::move(tokens));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Tokenizer>> ParseTokenizerJson(
    std::string_view tokenizer_json, std::string_view tokenizer_config) {
  HOMOLOG_ASSIGN_OR_RETURN(const json file, ParseObject("tokenizer.json", tokenizer_json));
  BpeDefinition definition;
  HOMOLOG_RETURN_IF_ERROR(ReadModel(file, definition));
  HOMOLOG_RETURN_IF_ERROR(ReadNormalizer(file, definition));
  HOMOLOG_RETURN_IF_ERROR(ReadPreTokenizer(file, definition));
  HOMOLOG_RETURN_IF_ERROR(CheckDecoder(file));
  HOMOLOG_RETURN_IF_ERROR(ReadAddedTokens(file, definition));
  HOMOLOG_ASSIGN_OR_RETURN(const TokenizerConfig config, ParseTokenizerConfig(tokenizer_config));
  definition.end_of_text = config.eos_token;
  return ByteLevelBpe::Create(std::move(definition));
}

}  // namespace homolog::datasets
