#include "server/datasets/bpe_definition.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/text.h"
#include "server/datasets/byte_alphabet.h"

namespace homolog::datasets {
namespace {

// Serialises so that no two sequences of values give the same bytes.
class Canonical {
 public:
  explicit Canonical(std::string_view version) { Add(version); }
  Canonical& Add(std::string_view text) {
    sha256_.Update(absl::StrCat(text.size(), ":"));
    sha256_.Update(text);
    return *this;
  }
  Canonical& Add(int64_t value) {
    sha256_.Update(absl::StrCat(value, ","));
    return *this;
  }
  std::string Finish() { return sha256_.HexDigest(); }

 private:
  Sha256 sha256_;
};

// Without a normaliser, raw and normalised text are the same: then only tokens of both kinds make
// `normalized` matter, the others being matched first.
bool NormalizedMatters(const BpeDefinition& definition) {
  const auto& tokens = definition.added_tokens;
  return definition.nfc || std::any_of(tokens.begin(), tokens.end(), [&](const AddedToken& token) {
           return token.normalized != tokens.front().normalized;
         });
}

void AddTokens(const BpeDefinition& definition, Canonical& canonical) {
  const bool normalized_matters = NormalizedMatters(definition);
  std::map<int32_t, const AddedToken*> by_id;
  for (const AddedToken& token : definition.added_tokens) by_id[token.id] = &token;
  canonical.Add(static_cast<int64_t>(by_id.size()));
  for (const auto& [id, token] : by_id) {
    // Then its text is a token of the model, too: a whole piece of it, or one character.
    const bool is_known = definition.vocabulary.contains(token->content);
    canonical.Add(id).Add(token->content);
    canonical.Add(normalized_matters && token->normalized).Add(token->single_word);
    canonical.Add(token->lstrip).Add(token->rstrip).Add(is_known);
    // Decides between two normalised tokens that NFC makes equal.
    canonical.Add(definition.nfc && token->normalized && token->special);
  }
}

std::string Name(const AddedToken& token) {
  return absl::StrCat("the added token ", Quoted(token.content));
}

absl::Status CheckContent(const AddedToken& token) {
  if (token.content.empty()) {
    return MalformedTokenizer(
        absl::StrCat("the added token with id ", token.id, " has no content; it must have one"));
  }
  if (token.content.size() <= kMaxAddedTokenBytes) return absl::OkStatus();
  return UnsupportedTokenizer(absl::StrCat(Name(token), " has ", token.content.size(),
                                           " bytes; at most ", kMaxAddedTokenBytes));
}

}  // namespace

bool BpeDefinition::MissesBytes() const {
  for (int byte = 0; byte < 256; ++byte) {
    if (!vocabulary.contains(ByteCharacter(static_cast<uint8_t>(byte)))) return true;
  }
  return false;
}

absl::Status BpeDefinition::SetAddedTokens(std::vector<AddedToken> tokens) {
  std::set<std::string_view> contents;
  // Ids of new tokens count on from the vocabulary's size, whatever the file says.
  auto next = static_cast<int32_t>(vocabulary.size());
  for (const AddedToken& token : tokens) {
    HOMOLOG_RETURN_IF_ERROR(CheckContent(token));
    if (!contents.insert(token.content).second) {
      return MalformedTokenizer(absl::StrCat(Name(token), " stands twice; it must stand once"));
    }
    const auto known = vocabulary.find(token.content);
    const bool is_known = known != vocabulary.end();
    const int32_t expected = is_known ? known->second : next;
    if (token.id != expected) {
      return MalformedTokenizer(absl::StrCat(
          Name(token), " has the id ", token.id, "; it must be ", expected,
          is_known ? ", its id in the vocabulary" : ", the next one behind the vocabulary"));
    }
    next = std::max(next, expected + 1);
  }
  added_tokens = std::move(tokens);
  return absl::OkStatus();
}

absl::Status BpeDefinition::CheckIds() const {
  std::map<int32_t, std::string_view> texts;
  const auto check = [&](std::string_view text, int32_t id) -> absl::Status {
    if (id < 0 || id >= kTokenIdLimit) {
      return MalformedTokenizer(absl::StrCat("the token ", Quoted(text), " has the id ", id,
                                             "; ids are 0 to ", kTokenIdLimit - 1));
    }
    const auto [other, added] = texts.emplace(id, text);
    if (added || other->second == text) return absl::OkStatus();
    return MalformedTokenizer(absl::StrCat("the tokens ", Quoted(other->second), " and ",
                                           Quoted(text), " have the same id, ", id,
                                           "; they must have different ones"));
  };
  for (const auto& [text, id] : vocabulary) HOMOLOG_RETURN_IF_ERROR(check(text, id));
  for (const AddedToken& token : added_tokens) {
    HOMOLOG_RETURN_IF_ERROR(check(token.content, token.id));
  }
  return absl::OkStatus();
}

std::optional<int32_t> BpeDefinition::IdOf(std::string_view text) const {
  for (const AddedToken& token : added_tokens) {
    if (token.content == text) return token.id;
  }
  const auto found = vocabulary.find(std::string(text));
  if (found == vocabulary.end()) return std::nullopt;
  return found->second;
}

std::string BpeDefinition::Digest() const {
  Canonical canonical("homolog tokenizer: byte-level BPE 1");
  std::map<std::string_view, int32_t> plain(vocabulary.begin(), vocabulary.end());
  for (const AddedToken& token : added_tokens) plain.erase(token.content);
  canonical.Add(static_cast<int64_t>(plain.size()));
  for (const auto& [text, id] : plain) canonical.Add(text).Add(id);
  canonical.Add(static_cast<int64_t>(merges.size()));
  for (const auto& [left, right] : merges) canonical.Add(left).Add(right);
  const bool unk_matters = unk_token && MissesBytes();
  canonical.Add(unk_matters ? *unk_token : "").Add(unk_matters && fuse_unk);
  canonical.Add(unk_matters).Add(ignore_merges).Add(nfc).Add(add_prefix_space).Add(use_regex);
  AddTokens(*this, canonical);
  return canonical.Finish();
}

absl::Status MalformedTokenizer(const std::string& what) {
  return InvalidArgument("MALFORMED_TOKENIZER", absl::StrCat("the tokenizer is malformed: ", what));
}

absl::Status UnsupportedTokenizer(const std::string& what) {
  return InvalidArgument("UNSUPPORTED_TOKENIZER",
                         absl::StrCat("the tokenizer is not supported: ", what));
}

}  // namespace homolog::datasets
