#include "server/datasets/byte_alphabet.h"

#include <array>

#include "server/datasets/utf8.h"

namespace homolog::datasets {
namespace {

constexpr char32_t kFirstExtra = 0x100;
constexpr size_t kExtras = 68;

struct Alphabet {
  std::array<std::string, 256> characters;
  std::array<int, kFirstExtra + kExtras> bytes;  // by character; -1: none
};

bool StandsForItself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

Alphabet MakeAlphabet() {
  Alphabet alphabet;
  alphabet.bytes.fill(-1);
  char32_t extra = kFirstExtra;
  for (int byte = 0; byte < 256; ++byte) {
    const char32_t character = StandsForItself(byte) ? static_cast<char32_t>(byte) : extra++;
    AppendUtf8(character, alphabet.characters[byte]);
    alphabet.bytes[character] = byte;
  }
  return alphabet;
}

const Alphabet& TheAlphabet() {
  static const auto& alphabet = *new Alphabet(MakeAlphabet());
  return alphabet;
}

}  // namespace

const std::string& ByteCharacter(uint8_t byte) { return TheAlphabet().characters[byte]; }

std::optional<std::string> BytesOfAlphabet(std::string_view text) {
  const Alphabet& alphabet = TheAlphabet();
  std::string bytes;
  for (size_t at = 0; at < text.size(); ++at) {
    if (InsideCharacter(text, at)) continue;
    const char32_t character = CharacterAt(text, at);
    if (character >= alphabet.bytes.size() || alphabet.bytes[character] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(alphabet.bytes[character]));
  }
  return bytes;
}

}  // namespace homolog::datasets
