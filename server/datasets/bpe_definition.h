// Everything that determines the ids of a byte-level BPE tokenizer, as its files say it.
//
// Thread-safety: a value.
#ifndef HOMOLOG_SERVER_DATASETS_BPE_DEFINITION_H_
#define HOMOLOG_SERVER_DATASETS_BPE_DEFINITION_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/datasets/added_tokens.h"

namespace homolog::datasets {

// Ids are below this: a file cannot make tables of any size.
inline constexpr int64_t kTokenIdLimit = 1 << 24;

// Token, written in the alphabet of byte_alphabet.h, to id. Tokens that are not, never match.
using BpeVocabulary = std::map<std::string, int32_t>;

struct BpeDefinition {
  BpeVocabulary vocabulary;
  std::vector<std::pair<std::string, std::string>> merges;  // the first goes first
  std::optional<std::string> unk_token;                     // stands for bytes that have no token
  bool fuse_unk = false;                                    // one for all of them in a row
  bool ignore_merges = false;                               // a piece that is a token is not merged
  bool nfc = false;                                         // normalise to Unicode NFC
  bool add_prefix_space = false;  // a space before what does not begin with one
  bool use_regex = true;          // split as pre_tokenizer.h says, or not at all
  std::vector<AddedToken> added_tokens;
  std::optional<std::string> end_of_text;  // does not determine ids

  // Whether some byte has no token of its own.
  bool MissesBytes() const;
  // Sets them, in the order of the file; INVALID_ARGUMENT (reason MALFORMED_TOKENIZER, or
  // UNSUPPORTED_TOKENIZER beyond kMaxAddedTokenBytes) where a content is empty or stands twice, or
  // an id is not the one that the Rust library would give it.
  absl::Status SetAddedTokens(std::vector<AddedToken> tokens);
  // INVALID_ARGUMENT (reason MALFORMED_TOKENIZER) for an id outside [0, kTokenIdLimit) or of two
  // tokens.
  absl::Status CheckIds() const;
  std::optional<int32_t> IdOf(std::string_view text) const;
  // SHA-256 over all of it: equal digests give equal ids. What cannot change an id (unk_token where
  // every byte has a token, what kind of file it came from) does not change the digest.
  std::string Digest() const;
};

// INVALID_ARGUMENT with reason MALFORMED_TOKENIZER, and UNSUPPORTED_TOKENIZER.
absl::Status MalformedTokenizer(const std::string& what);
absl::Status UnsupportedTokenizer(const std::string& what);

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_BPE_DEFINITION_H_
