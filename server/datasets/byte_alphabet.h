// The alphabet in which byte-level BPE writes bytes as printable characters: '!' to '~', U+00A1 to
// U+00AC and U+00AE to U+00FF stand for themselves, the other 68 bytes, in order, are U+0100 and
// up. Source: bytes_to_unicode of https://github.com/openai/gpt-2/blob/master/src/encoder.py
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_DATASETS_BYTE_ALPHABET_H_
#define HOMOLOG_SERVER_DATASETS_BYTE_ALPHABET_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace homolog::datasets {

// The character, in UTF-8, that stands for `byte`.
const std::string& ByteCharacter(uint8_t byte);

// The bytes that valid UTF-8 `text` stands for; nothing where a character is not of the alphabet.
std::optional<std::string> BytesOfAlphabet(std::string_view text);

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_BYTE_ALPHABET_H_
