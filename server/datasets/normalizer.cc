#include "server/datasets/normalizer.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/datasets/utf8.h"

namespace homolog::datasets {
namespace {

// Null where ICU lacks its data; then every use fails with ICU's word.
const icu::Normalizer2* Nfc(UErrorCode& error) { return icu::Normalizer2::getNFCInstance(error); }

absl::Status IcuError(UErrorCode error) {
  return absl::InternalError(absl::StrCat("ICU cannot normalise to NFC: ", u_errorName(error)));
}

absl::Status CheckCombining(std::string_view text, const icu::Normalizer2& nfc) {
  size_t boundary = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    if (InsideCharacter(text, at)) continue;
    if (nfc.hasBoundaryBefore(static_cast<UChar32>(CharacterAt(text, at)))) boundary = at;
    if (at - boundary <= kMaxCombiningBytes) continue;
    return InvalidArgument(
        "MALFORMED_TEXT",
        absl::StrCat("the text has more than ", kMaxCombiningBytes,
                     " bytes of combining characters in a row, which cannot be normalised in "
                     "reasonable time; it needs other characters between them"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> NormalizeNfc(std::string_view text) {
  if (IsAscii(text)) return std::string(text);
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* nfc = Nfc(error);
  if (U_FAILURE(error)) return IcuError(error);
  HOMOLOG_RETURN_IF_ERROR(CheckCombining(text, *nfc));
  std::string normalized;
  normalized.reserve(text.size());
  icu::StringByteSink<std::string> sink(&normalized);
  nfc->normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink,
                     nullptr, error);
  if (U_FAILURE(error)) return IcuError(error);
  return normalized;
}

bool NfcBoundaryBefore(char32_t character) {
  if (character < 0x80) return true;
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* nfc = Nfc(error);
  return U_SUCCESS(error) && nfc->hasBoundaryBefore(static_cast<UChar32>(character));
}

}  // namespace homolog::datasets
