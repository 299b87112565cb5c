#include "server/datasets/added_tokens.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <utility>

#include "server/datasets/utf8.h"

namespace homolog::datasets {
namespace {

// \w of Rust's regular expressions: https://www.unicode.org/reports/tr18/#Compatibility_Properties
bool IsWordCharacter(char32_t c) {
  const auto character = static_cast<UChar32>(c);
  constexpr uint32_t kWordCategories = U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK;
  return u_hasBinaryProperty(character, UCHAR_ALPHABETIC) ||
         (U_GET_GC_MASK(character) & kWordCategories) != 0 ||
         u_hasBinaryProperty(character, UCHAR_JOIN_CONTROL);
}

bool IsSpace(char32_t c) { return u_isUWhiteSpace(static_cast<UChar32>(c)); }

// Where the white space that ends at `at` begins, but not before `least`.
size_t SpaceBefore(std::string_view text, size_t at, size_t least) {
  while (at > least && IsSpace(CharacterBefore(text, at))) {
    do {
      --at;
    } while (InsideCharacter(text, at));
  }
  return at;
}

// Where the white space that begins at `at` ends.
size_t SpaceBehind(std::string_view text, size_t at) {
  while (at < text.size() && IsSpace(CharacterAt(text, at))) {
    do {
      ++at;
    } while (at < text.size() && InsideCharacter(text, at));
  }
  return at;
}

uint64_t Edge(uint32_t node, char byte) {
  return (uint64_t{node} << 8) | static_cast<unsigned char>(byte);
}

}  // namespace

AddedTokenMatcher::AddedTokenMatcher(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  for (size_t i = 0; i < tokens_.size(); ++i) {
    Insert(i);
    longest_ = std::max(longest_, tokens_[i].content.size());
    strips_ = strips_ || tokens_[i].lstrip || tokens_[i].rstrip;
  }
}

void AddedTokenMatcher::Insert(size_t token) {
  const std::string& content = tokens_[token].content;
  first_bytes_[static_cast<unsigned char>(content[0])] = true;
  uint32_t node = 0;
  for (const char byte : content) {
    const auto [child, added] =
        children_.try_emplace(Edge(node, byte), static_cast<uint32_t>(ends_.size()));
    if (added) ends_.push_back(-1);
    node = child->second;
  }
  if (ends_[node] < 0) ends_[node] = static_cast<int64_t>(token);
}

AddedTokenMatcher::Match AddedTokenMatcher::LongestAt(std::string_view text, size_t at) const {
  Match match;
  uint32_t node = 0;
  for (size_t i = at; i < text.size(); ++i) {
    const auto child = children_.find(Edge(node, text[i]));
    if (child == children_.end()) break;
    node = child->second;
    if (ends_[node] >= 0) match = {i + 1 - at, static_cast<size_t>(ends_[node])};
  }
  return match;
}

bool AddedTokenMatcher::StandsAlone(std::string_view text, size_t begin, size_t end) const {
  return (begin == 0 || !IsWordCharacter(CharacterBefore(text, begin))) &&
         (end == text.size() || !IsWordCharacter(CharacterAt(text, end)));
}

std::vector<TextPart> AddedTokenMatcher::Split(std::string_view text) const {
  std::vector<TextPart> parts;
  size_t done = 0;  // the end of the last token
  size_t space_begin =
      0;  // white space swallowed last, which may be asked for from every place in it
  size_t space_end = 0;
  for (size_t at = 0; !empty() && at < text.size();) {
    const Match match = MayBegin(text[at]) ? LongestAt(text, at) : Match();
    if (match.size == 0) {
      ++at;
      continue;
    }
    const AddedToken& token = tokens_[match.token];
    size_t begin = at, end = at + match.size;
    at = end;
    if (token.single_word && !StandsAlone(text, begin, end)) continue;
    if (token.lstrip) begin = std::max(SpaceBefore(text, begin, std::min(done, begin)), done);
    if (token.rstrip) {
      if (end < space_begin || end > space_end) {
        space_begin = end;
        space_end = SpaceBehind(text, end);
      }
      end = space_end;
    }
    if (done < begin) parts.push_back({std::nullopt, text.substr(done, begin - done)});
    parts.push_back({token.id, text.substr(begin, std::max(begin, end) - begin)});
    done = end;
  }
  if (done < text.size()) parts.push_back({std::nullopt, text.substr(done)});
  return parts;
}

std::vector<bool> AddedTokenMatcher::Touched(std::string_view text, size_t begin,
                                             size_t end) const {
  std::vector<bool> touched(end - begin + 1, false);
  if (empty()) return touched;
  size_t reached = 0;  // the furthest end of a content so far
  for (size_t at = begin > longest_ ? begin - longest_ : 0; at <= end; ++at) {
    const Match match = at < text.size() && MayBegin(text[at]) ? LongestAt(text, at) : Match();
    if (match.size > 0) reached = std::max(reached, at + match.size);
    if (at >= begin) touched[at - begin] = reached >= at && reached > 0;
  }
  return touched;
}

}  // namespace homolog::datasets
