#include "server/datasets/pre_tokenizer.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "server/datasets/utf8.h"

namespace homolog::datasets {
namespace {

// White_Space of Unicode: PCRE2's own \s holds U+180E as well.
#define HOMOLOG_WHITE_SPACE                                                               \
  "\\x09-\\x0d\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}" \
  "\\x{205f}\\x{3000}"

constexpr char kPiece[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^" HOMOLOG_WHITE_SPACE
                          "\\p{L}\\p{N}]+|[" HOMOLOG_WHITE_SPACE "]+(?![^" HOMOLOG_WHITE_SPACE
                          "])|[" HOMOLOG_WHITE_SPACE "]+";

// The number of the group that takes part is the kind of the character.
constexpr char kKind[] = "(\\p{L})|(\\p{N})|([" HOMOLOG_WHITE_SPACE "])|(.)";
constexpr uint32_t kKinds = 4;

// Compiled once and kept for the life of the process; immutable. Null only without memory.
pcre2_code* Compile(const char* pattern) {
  int error = 0;
  size_t offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern), PCRE2_ZERO_TERMINATED,
                                   PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED | PCRE2_DOTALL, &error,
                                   &offset, nullptr);
  // Where the kernel allows no JIT, PCRE2 interprets the pattern: slower, with the same matches.
  if (code != nullptr) pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  return code;
}

const pcre2_code* PieceCode() {
  static const pcre2_code* const code = Compile(kPiece);
  return code;
}

const pcre2_code* KindCode() {
  static const pcre2_code* const code = Compile(kKind);
  return code;
}

}  // namespace

struct PreTokenizer::Matcher {
  Matcher(const pcre2_code* pattern, uint32_t groups)
      : code(pattern), data(pcre2_match_data_create(groups + 1, nullptr)) {}
  ~Matcher() { pcre2_match_data_free(data); }

  // PCRE2's return value: 1 + the highest group that takes part, or negative.
  int Match(std::string_view text, size_t at) {
    if (code == nullptr || data == nullptr) return PCRE2_ERROR_NOMEMORY;
    return pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                       PCRE2_NO_UTF_CHECK, data, nullptr);
  }
  size_t end() const { return pcre2_get_ovector_pointer(data)[1]; }

  const pcre2_code* const code;
  pcre2_match_data* const data;
};

PreTokenizer::PreTokenizer()
    : pieces_(std::make_unique<Matcher>(PieceCode(), 0)),
      kinds_(std::make_unique<Matcher>(KindCode(), kKinds)) {}

PreTokenizer::~PreTokenizer() = default;

absl::Status PreTokenizer::Split(std::string_view text,
                                 absl::FunctionRef<void(std::string_view)> take) {
  for (size_t at = 0; at < text.size();) {
    const int result = pieces_->Match(text, at);
    if (result < 0) {
      return absl::InternalError(
          absl::StrCat("PCRE2 cannot split a text of ", text.size(), " bytes: error ", result));
    }
    take(text.substr(at, pieces_->end() - at));
    at = pieces_->end();
  }
  return absl::OkStatus();
}

bool PreTokenizer::MayCut(std::string_view text, size_t at) {
  size_t before = at - 1;
  while (InsideCharacter(text, before)) --before;
  const Kind last = KindOf(text, before), next = KindOf(text, at);
  if (last == Kind::kSpace || last == next) return false;
  return text[before] != '\'' || next != Kind::kLetter;  // 's and so on are one piece
}

PreTokenizer::Kind PreTokenizer::KindOf(std::string_view text, size_t at) {
  if (const auto c = static_cast<unsigned char>(text[at]); c < 0x80) {
    if (absl::ascii_isalpha(c)) return Kind::kLetter;
    if (absl::ascii_isdigit(c)) return Kind::kNumber;
    return absl::ascii_isspace(c) ? Kind::kSpace : Kind::kOther;
  }
  const int result = kinds_->Match(text, at);
  // Without an answer there is no cut: a space is never cut behind.
  return result > 1 ? static_cast<Kind>(result - 1) : Kind::kSpace;
}

}  // namespace homolog::datasets
