// Added tokens: texts that become one id wherever they stand, before anything else is done. What
// matches follows Hugging Face tokenizers:
// https://github.com/huggingface/tokenizers/blob/main/tokenizers/src/tokenizer/added_vocabulary.rs
//
// Thread-safety: immutable.
#ifndef HOMOLOG_SERVER_DATASETS_ADDED_TOKENS_H_
#define HOMOLOG_SERVER_DATASETS_ADDED_TOKENS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace homolog::datasets {

// Longest accepted content: what may become one has to be held back while text streams in.
inline constexpr size_t kMaxAddedTokenBytes = 256;

struct AddedToken {
  std::string content;  // 1 to kMaxAddedTokenBytes of valid UTF-8
  int32_t id = 0;
  bool special = false;      // matched before others of the same text
  bool normalized = false;   // matched on the normalised text rather than on the raw one
  bool single_word = false;  // only where no word character (\w) stands beside it
  bool lstrip = false;       // swallows the white space before it
  bool rstrip = false;       // swallows the white space behind it
};

// A stretch of text, or an added token in its place.
struct TextPart {
  std::optional<int32_t> id;
  std::string_view text;  // for a token: what it stands for
};

// Finds the tokens of one list in valid UTF-8.
class AddedTokenMatcher {
 public:
  // Of tokens with the same content the first counts.
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }
  // Bytes of the longest content.
  size_t longest() const { return longest_; }
  // Whether some token swallows white space.
  bool strips() const { return strips_; }

  // The parts of `text`, in order: leftmost matches, of these the longest. Behind a token that
  // swallows white space, tokens made of white space match once more in what was swallowed, as
  // they do in the Rust library.
  std::vector<TextPart> Split(std::string_view text) const;

  // For every position from `begin` to `end` (one more element than their difference): whether some
  // content stands in `text` so that it begins before or at the position and ends behind or at it.
  std::vector<bool> Touched(std::string_view text, size_t begin, size_t end) const;

 private:
  struct Match {
    size_t size = 0;  // 0: none
    size_t token = 0;
  };
  void Insert(size_t token);
  bool MayBegin(char byte) const { return first_bytes_[static_cast<unsigned char>(byte)]; }
  Match LongestAt(std::string_view text, size_t at) const;
  bool StandsAlone(std::string_view text, size_t begin, size_t end) const;

  std::vector<AddedToken> tokens_;
  size_t longest_ = 0;
  bool strips_ = false;
  // A trie: (node, byte) to node, and the token that ends at a node.
  std::array<bool, 256> first_bytes_{};
  absl::flat_hash_map<uint64_t, uint32_t> children_;
  std::vector<int64_t> ends_ = {-1};
};

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_ADDED_TOKENS_H_
