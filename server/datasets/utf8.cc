#include "server/datasets/utf8.h"

#include <cstdint>
#include <cstring>

namespace homolog::datasets {
namespace {

uint8_t Byte(std::string_view text, size_t at) { return static_cast<uint8_t>(text[at]); }

// Bytes of a character that starts with `first`; 0 where none does.
size_t Length(uint8_t first) {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return 2;
  if (first >= 0xE0 && first <= 0xEF) return 3;
  if (first >= 0xF0 && first <= 0xF4) return 4;
  return 0;
}

// Overlong forms, surrogates and values above U+10FFFF show in the second byte.
bool SecondByteFits(uint8_t first, uint8_t second) {
  const uint8_t least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const uint8_t most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  return second >= least && second <= most;
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
  size_t at = 0;
  while (at < text.size()) {
    if (Byte(text, at) < 0x80) {
      const size_t blocks = AsciiBlocks(text.substr(at));
      at += blocks == 0 ? 1 : blocks;
      continue;
    }
    const uint8_t first = Byte(text, at);
    const size_t length = Length(first);
    if (length == 0) return {at, true};
    for (size_t i = 1; i < length; ++i) {
      if (at + i == text.size()) return {at, false};
      const uint8_t next = Byte(text, at + i);
      if (i == 1 ? !SecondByteFits(first, next) : (next & 0xC0) != 0x80) return {at, true};
    }
    at += length;
  }
  return {at, false};
}

bool InsideCharacter(std::string_view text, size_t at) { return (Byte(text, at) & 0xC0) == 0x80; }

char32_t CharacterAt(std::string_view text, size_t at) {
  const uint8_t first = Byte(text, at);
  const size_t length = Length(first);
  if (length == 1) return first;
  char32_t character = first & (0x7F >> length);
  for (size_t i = 1; i < length; ++i) character = (character << 6) | (Byte(text, at + i) & 0x3F);
  return character;
}

char32_t CharacterBefore(std::string_view text, size_t at) {
  do {
    --at;
  } while (InsideCharacter(text, at));
  return CharacterAt(text, at);
}

void AppendUtf8(char32_t character, std::string& text) {
  const auto push = [&](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (character < 0x80) return push(character);
  if (character < 0x800) {
    push(0xC0 | (character >> 6));
  } else {
    if (character < 0x10000) {
      push(0xE0 | (character >> 12));
    } else {
      push(0xF0 | (character >> 18));
      push(0x80 | ((character >> 12) & 0x3F));
    }
    push(0x80 | ((character >> 6) & 0x3F));
  }
  push(0x80 | (character & 0x3F));
}

bool IsAscii(std::string_view text) {
  for (size_t at = AsciiBlocks(text); at < text.size(); ++at) {
    if (Byte(text, at) >= 0x80) return false;
  }
  return true;
}

}  // namespace homolog::datasets
