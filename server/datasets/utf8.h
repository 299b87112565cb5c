// Characters of UTF-8 text (RFC 3629); private to this room.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_DATASETS_UTF8_H_
#define HOMOLOG_SERVER_DATASETS_UTF8_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace homolog::datasets {

struct Utf8Check {
  size_t valid = 0;        // bytes of whole, valid characters at the front
  bool malformed = false;  // what stands there can be no character, whatever follows; otherwise the
                           // text ends there, or is cut inside a character
};

// How far `text`, which begins between two characters, is valid.
Utf8Check CheckUtf8(std::string_view text);

// True where no character begins at `text[at]`. The text is valid; `at` is below its size.
bool InsideCharacter(std::string_view text, size_t at);
// The character that begins at `at`, and the one that ends there. The text is valid, and `at` lies
// between two of its characters.
char32_t CharacterAt(std::string_view text, size_t at);
char32_t CharacterBefore(std::string_view text, size_t at);

// Appends a valid character.
void AppendUtf8(char32_t character, std::string& text);

bool IsAscii(std::string_view text);

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_UTF8_H_
