#include "server/datasets/bpe_encoder.h"

#include <unicode/uchar.h>

#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/text.h"
#include "server/datasets/normalizer.h"
#include "server/datasets/utf8.h"

namespace homolog::datasets {
namespace {

constexpr size_t kSlice = 64 << 10;         // of text taken at once
constexpr size_t kScratchPiece = 64 << 10;  // memory for longer pieces is not kept

}  // namespace

BpeEncoder::BpeEncoder(const ByteLevelBpe* tokenizer, const StreamLimits& limits)
    : tokenizer_(*tokenizer),
      raw_is_normalized_(tokenizer_.raw_tokens().empty() && !tokenizer_.nfc()),
      raw_(&tokenizer_.raw_tokens(), limits),
      normalized_(&tokenizer_.normalized_tokens(), limits) {}

absl::Status BpeEncoder::Encode(std::string_view text, Ids& ids) {
  while (failure_.ok() && !text.empty()) {
    failure_ = Check(text.substr(0, kSlice), ids);
    text.remove_prefix(std::min(kSlice, text.size()));
  }
  return failure_;
}

absl::Status BpeEncoder::Finish(Ids& ids) {
  HOMOLOG_RETURN_IF_ERROR(failure_);
  if (!cut_character_.empty()) return failure_ = Malformed(cut_character_);
  failure_ = raw_.TakeRest([&](std::string_view text) { return EncodeRaw(text, ids); });
  if (failure_.ok()) failure_ = EndStretch(ids);
  checked_ = 0;
  return failure_;
}

// Lets whole characters of valid UTF-8 through.
absl::Status BpeEncoder::Check(std::string_view text, Ids& ids) {
  std::string joined;
  if (!cut_character_.empty()) {
    joined = absl::StrCat(std::exchange(cut_character_, ""), std::string(text));
    text = joined;
  }
  const Utf8Check check = CheckUtf8(text);
  const std::string_view rest = text.substr(check.valid);
  HOMOLOG_RETURN_IF_ERROR(AddRaw(text.substr(0, check.valid), ids));
  checked_ += static_cast<int64_t>(check.valid);
  if (check.malformed) return Malformed(rest);
  cut_character_ = rest;
  return absl::OkStatus();
}

absl::Status BpeEncoder::AddRaw(std::string_view text, Ids& ids) {
  if (raw_is_normalized_) return AddNormalized(text, ids);
  const auto may_cut = [&](std::string_view whole, size_t at) {
    if (tokenizer_.nfc() && !NfcBoundaryBefore(CharacterAt(whole, at))) return false;
    // White space may be swallowed by a token on either side of it.
    return !tokenizer_.raw_tokens().strips() ||
           !u_isUWhiteSpace(static_cast<UChar32>(CharacterBefore(whole, at)));
  };
  return raw_.Add(text, may_cut, [&](std::string_view taken) { return EncodeRaw(taken, ids); });
}

absl::Status BpeEncoder::EncodeRaw(std::string_view text, Ids& ids) {
  for (const TextPart& part : tokenizer_.raw_tokens().Split(text)) {
    if (part.id) {
      HOMOLOG_RETURN_IF_ERROR(EndStretch(ids));
      ids.push_back(*part.id);
    } else if (tokenizer_.nfc()) {
      HOMOLOG_ASSIGN_OR_RETURN(const std::string normalized, NormalizeNfc(part.text));
      HOMOLOG_RETURN_IF_ERROR(AddNormalized(normalized, ids));
    } else {
      HOMOLOG_RETURN_IF_ERROR(AddNormalized(part.text, ids));
    }
  }
  return absl::OkStatus();
}

absl::Status BpeEncoder::AddNormalized(std::string_view text, Ids& ids) {
  const auto may_cut = [&](std::string_view whole, size_t at) {
    return tokenizer_.use_regex() && pre_tokenizer_.MayCut(whole, at);
  };
  return normalized_.Add(text, may_cut, [&](std::string_view taken) {
    HOMOLOG_RETURN_IF_ERROR(EncodeNormalized(taken, ids));
    inside_stretch_ = true;
    return absl::OkStatus();
  });
}

absl::Status BpeEncoder::EndStretch(Ids& ids) {
  HOMOLOG_RETURN_IF_ERROR(
      normalized_.TakeRest([&](std::string_view text) { return EncodeNormalized(text, ids); }));
  inside_stretch_ = false;
  return absl::OkStatus();
}

absl::Status BpeEncoder::EncodeNormalized(std::string_view text, Ids& ids) {
  bool begins = !inside_stretch_;
  for (const TextPart& part : tokenizer_.normalized_tokens().Split(text)) {
    if (part.id) {
      ids.push_back(*part.id);
    } else {
      HOMOLOG_RETURN_IF_ERROR(EncodePart(part.text, begins, ids));
    }
    begins = true;
  }
  return absl::OkStatus();
}

// Text between added tokens; `begins`: all of it, or its first part.
absl::Status BpeEncoder::EncodePart(std::string_view text, bool begins, Ids& ids) {
  std::string prefixed;
  if (begins && tokenizer_.add_prefix_space() && !text.starts_with(' ')) {
    prefixed = absl::StrCat(" ", std::string(text));
    text = prefixed;
  }
  if (tokenizer_.use_regex()) {
    return pre_tokenizer_.Split(text, [&](std::string_view piece) { EncodePiece(piece, ids); });
  }
  EncodePiece(text, ids);
  return absl::OkStatus();
}

void BpeEncoder::EncodePiece(std::string_view piece, Ids& ids) {
  if (cache_.Find(piece, ids)) return;
  const size_t before = ids.size();
  if (piece.size() > kScratchPiece) {
    BpeScratch scratch;
    return tokenizer_.model().Encode(piece, scratch, ids);
  }
  tokenizer_.model().Encode(piece, scratch_, ids);
  cache_.Insert(piece, std::span<const int32_t>(ids).subspan(before));
}

absl::Status BpeEncoder::Malformed(std::string_view at) const {
  return InvalidArgument(
      "MALFORMED_TEXT",
      absl::StrCat("the text is no UTF-8: at byte ", checked_, " of the document stands ",
                   Quoted(at.substr(0, 4)), ", which is no character; convert it to UTF-8"),
      {{"offset", absl::StrCat(checked_)}});
}

}  // namespace homolog::datasets
