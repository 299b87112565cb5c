#include "common/text.h"

#include <cstdint>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"

namespace homolog {
namespace {

constexpr size_t kMaxQuotedBytes = 100;
constexpr std::string_view kEllipsis = "...";

bool IsContinuation(char byte) { return (static_cast<uint8_t>(byte) & 0xC0) == 0x80; }

// The bytes that a character starting with `first` has, or 0 where none starts so.
size_t SequenceLength(uint8_t first) {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return 2;
  if (first >= 0xE0 && first <= 0xEF) return 3;
  if (first >= 0xF0 && first <= 0xF4) return 4;
  return 0;
}

// Overlong forms, surrogates and values above U+10FFFF show in the second byte.
bool SecondByteFits(uint8_t first, uint8_t second) {
  switch (first) {
    case 0xE0:
      return second >= 0xA0;
    case 0xED:
      return second <= 0x9F;
    case 0xF0:
      return second >= 0x90;
    case 0xF4:
      return second <= 0x8F;
    default:
      return true;
  }
}

// The bytes of the valid character that `text` starts with, or 0. `text` is not empty.
size_t ValidPrefix(std::string_view text) {
  const size_t length = SequenceLength(static_cast<uint8_t>(text[0]));
  if (length == 0 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!IsContinuation(text[i])) return 0;
  }
  if (length > 1 && !SecondByteFits(static_cast<uint8_t>(text[0]), static_cast<uint8_t>(text[1]))) {
    return 0;
  }
  return length;
}

}  // namespace

std::string ValidUtf8(std::string_view text, std::string_view replacement) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const size_t length = ValidPrefix(text);
    valid.append(length == 0 ? replacement : text.substr(0, length));
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return valid;
}

bool IsValidUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = ValidPrefix(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string CutUtf8(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) return std::string(text);
  size_t end = max_bytes > kEllipsis.size() ? max_bytes - kEllipsis.size() : 0;
  while (end > 0 && IsContinuation(text[end])) --end;
  return std::string(text.substr(0, end)) + std::string(kEllipsis);
}

std::string Quoted(std::string_view value) {
  const std::string_view shown = value.substr(0, kMaxQuotedBytes);
  std::string quoted(1, '"');
  quoted += absl::CHexEscape(absl::string_view(shown.data(), shown.size()));
  quoted += '"';
  if (shown.size() < value.size()) quoted += kEllipsis;
  return quoted;
}

}  // namespace homolog
