#include <algorithm>
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

constexpr char kEndOfText[] = "<|endoftext|>";

// One merge a line, LF or CRLF; "#version" lines are comments.
absl::Status ReadMerges(std::string_view text, BpeDefinition& definition) {
  if (!IsValidUtf8(text)) return MalformedTokenizer("merges.txt is no UTF-8; it must be");
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("#version")) continue;
    HOMOLOG_ASSIGN_OR_RETURN(auto merge, SplitMerge(line, definition.merges.size()));
    definition.merges.push_back(std::move(merge));
  }
  return absl::OkStatus();
}

// The end of text, special, then those of added_tokens.json by their ids.
absl::Status AddTokens(std::string_view added_tokens, BpeDefinition& definition) {
  BpeVocabulary added;
  if (!added_tokens.empty()) {
    HOMOLOG_ASSIGN_OR_RETURN(const json object, ParseObject("added_tokens.json", added_tokens));
    HOMOLOG_ASSIGN_OR_RETURN(added, Vocabulary(object, "added_tokens.json"));
  }
  if (const auto id = definition.IdOf(kEndOfText)) added.emplace(kEndOfText, *id);
  std::vector<AddedToken> tokens;
  for (const auto& [content, id] : added) {
    const bool special = content == kEndOfText;
    tokens.push_back({.content = content, .id = id, .special = special, .normalized = !special});
  }
  std::stable_sort(tokens.begin(), tokens.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  return definition.SetAddedTokens(std::move(tokens));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Tokenizer>> ParseVocabFiles(
    std::string_view vocab, std::string_view merges, std::string_view added_tokens,
    std::string_view tokenizer_config) {
  BpeDefinition definition;
  HOMOLOG_ASSIGN_OR_RETURN(const json object, ParseObject("vocab.json", vocab));
  HOMOLOG_ASSIGN_OR_RETURN(definition.vocabulary, Vocabulary(object, "vocab.json"));
  HOMOLOG_RETURN_IF_ERROR(ReadMerges(merges, definition));
  HOMOLOG_RETURN_IF_ERROR(AddTokens(added_tokens, definition));
  HOMOLOG_ASSIGN_OR_RETURN(const TokenizerConfig config, ParseTokenizerConfig(tokenizer_config));
  definition.end_of_text = config.eos_token;
  definition.add_prefix_space = config.add_prefix_space;
  return ByteLevelBpe::Create(std::move(definition));
}

}  // namespace homolog::datasets
