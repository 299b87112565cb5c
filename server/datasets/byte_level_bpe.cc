#include "server/datasets/byte_level_bpe.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/datasets/bpe_encoder.h"
#include "server/datasets/byte_alphabet.h"
#include "server/datasets/normalizer.h"

namespace homolog::datasets {
namespace {

constexpr char kEndOfText[] = "<|endoftext|>";

// The tokens that are matched on raw or on normalised text, special ones first: where two have the
// same text, that decides.
std::vector<AddedToken> TokensOf(const BpeDefinition& definition, bool normalized) {
  std::vector<AddedToken> tokens;
  for (const AddedToken& token : definition.added_tokens) {
    if (token.normalized == normalized) tokens.push_back(token);
  }
  std::stable_partition(tokens.begin(), tokens.end(),
                        [](const AddedToken& token) { return token.special; });
  return tokens;
}

absl::StatusOr<std::vector<AddedToken>> NormalizedTokens(const BpeDefinition& definition) {
  std::vector<AddedToken> tokens = TokensOf(definition, true);
  if (!definition.nfc) return tokens;
  for (AddedToken& token : tokens) {
    HOMOLOG_ASSIGN_OR_RETURN(token.content, NormalizeNfc(token.content));
  }
  return tokens;
}

std::optional<int32_t> EndOfText(const BpeDefinition& definition) {
  if (const auto id = definition.IdOf(kEndOfText)) return id;
  return definition.end_of_text ? definition.IdOf(*definition.end_of_text) : std::nullopt;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ByteLevelBpe>> ByteLevelBpe::Create(BpeDefinition definition) {
  HOMOLOG_RETURN_IF_ERROR(definition.CheckIds());
  HOMOLOG_ASSIGN_OR_RETURN(BpeModel model, BpeModel::Create(definition));
  HOMOLOG_ASSIGN_OR_RETURN(std::vector<AddedToken> tokens, NormalizedTokens(definition));
  return std::shared_ptr<const ByteLevelBpe>(
      new ByteLevelBpe(definition, std::move(model), std::move(tokens)));
}

ByteLevelBpe::ByteLevelBpe(const BpeDefinition& definition, BpeModel model,
                           std::vector<AddedToken> normalized_tokens)
    : model_(std::move(model)),
      raw_tokens_(TokensOf(definition, false)),
      normalized_tokens_(std::move(normalized_tokens)),
      nfc_(definition.nfc),
      add_prefix_space_(definition.add_prefix_space),
      use_regex_(definition.use_regex),
      digest_(definition.Digest()),
      end_of_text_(EndOfText(definition)) {
  SetTexts(definition);
}

void ByteLevelBpe::SetTexts(const BpeDefinition& definition) {
  const auto set = [&](int32_t id, std::string text) {
    vocabulary_size_ = std::max<int64_t>(vocabulary_size_, id + 1);
    texts_[id] = std::move(text);
  };
  for (const auto& [text, id] : definition.vocabulary) {
    set(id, BytesOfAlphabet(text).value_or(text));
  }
  for (const AddedToken& token : definition.added_tokens) set(token.id, token.content);
}

std::unique_ptr<Encoder> ByteLevelBpe::NewEncoder(const StreamLimits& limits) const {
  return std::make_unique<BpeEncoder>(this, limits);
}

absl::StatusOr<std::string> ByteLevelBpe::Decode(const std::vector<int32_t>& ids) const {
  std::string text;
  for (const int32_t id : ids) {
    const auto found = texts_.find(id);
    if (found == texts_.end()) {
      return MakeError(
          absl::StatusCode::kOutOfRange, "TOKEN_OUT_OF_RANGE",
          absl::StrCat("token id ", id, " has no text; ids of this tokenizer are 0 to ",
                       vocabulary_size() - 1),
          {{"token", absl::StrCat(id)}});
    }
    text += found->second;
  }
  return text;
}

}  // namespace homolog::datasets
