#include "server/datasets/document_encoder.h"

#include <algorithm>

#include "common/error.h"

namespace homolog::datasets {
namespace {

constexpr size_t kSlice = 64 << 10;  // of text before its ids are handed on

}  // namespace

absl::Status DocumentEncoder::Add(std::string_view text, TokenSink sink) {
  while (!text.empty()) {
    HOMOLOG_RETURN_IF_ERROR(encoder_->Encode(text.substr(0, kSlice), ids_));
    HOMOLOG_RETURN_IF_ERROR(Flush(sink));
    text.remove_prefix(std::min(kSlice, text.size()));
  }
  return absl::OkStatus();
}

absl::Status DocumentEncoder::End(TokenSink sink) {
  HOMOLOG_RETURN_IF_ERROR(encoder_->Finish(ids_));
  return Flush(sink);
}

absl::Status DocumentEncoder::Flush(TokenSink sink) {
  if (ids_.empty()) return absl::OkStatus();
  const absl::Status status = sink(ids_);
  ids_.clear();
  return status;
}

}  // namespace homolog::datasets
