#include "server/datasets/utf8.h"

#include <unicode/utf8.h>

#include <cstdint>
#include <cstring>

namespace homolog::datasets {
namespace {

const uint8_t* Bytes(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

// Bytes of ASCII at the front of `text`, rounded down to 8.
size_t AsciiBlocks(std::string_view text) {
  size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    uint64_t block;
    std::memcpy(&block, text.data() + at, sizeof(block));
    if ((block & 0x8080808080808080u) != 0) break;
  }
  return at;
}

}  // namespace

Utf8Check CheckUtf8(std::string_view text) {
  const uint8_t* const bytes = Bytes(text);
  const auto size = static_cast<int64_t>(text.size());
  int64_t whole = size;  // without the beginning of a character at the end
  U8_TRUNCATE_IF_INCOMPLETE(bytes, 0, whole);
  int64_t at = 0;
  while (at < whole) {
    const size_t blocks = AsciiBlocks(text.substr(at, whole - at));
    if (blocks > 0) {
      at += static_cast<int64_t>(blocks);
      continue;
    }
    int64_t next = at;
    UChar32 character;
    U8_NEXT(bytes, next, whole, character);
    if (character < 0) return {static_cast<size_t>(at), true};
    at = next;
  }
  return {static_cast<size_t>(whole), false};
}

bool InsideCharacter(std::string_view text, size_t at) { return U8_IS_TRAIL(text[at]); }

char32_t CharacterAt(std::string_view text, size_t at) {
  UChar32 character;
  U8_NEXT_UNSAFE(Bytes(text), at, character);
  return static_cast<char32_t>(character);
}

char32_t CharacterBefore(std::string_view text, size_t at) {
  UChar32 character;
  U8_PREV_UNSAFE(Bytes(text), at, character);
  return static_cast<char32_t>(character);
}

void AppendUtf8(char32_t character, std::string& text) {
  char bytes[U8_MAX_LENGTH];
  int32_t size = 0;
  U8_APPEND_UNSAFE(bytes, size, character);
  text.append(bytes, size);
}

bool IsAscii(std::string_view text) {
  for (size_t at = AsciiBlocks(text); at < text.size(); ++at) {
    if (!U8_IS_SINGLE(text[at])) return false;
  }
  return true;
}

}  // namespace homolog::datasets
