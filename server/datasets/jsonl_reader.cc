#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/datasets/document_encoder.h"
#include "server/datasets/jsonl_text.h"
#include "server/datasets/token_reader.h"

namespace homolog::datasets {
namespace {

constexpr size_t kMaxLineBytes = 64 << 20;
constexpr size_t kKeptCapacity = 1 << 20;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kJsonSpace = " \t\r";

class JsonlReader : public TokenReader {
 public:
  JsonlReader(const Tokenizer& tokenizer, int32_t end_of_text)
      : document_(tokenizer), end_of_text_(end_of_text) {}

  absl::Status Feed(std::string_view bytes, TokenSink sink) override {
    if (failure_.ok()) failure_ = Read(bytes, sink);
    return failure_;
  }

  absl::Status Finish(TokenSink sink) override {
    if (failure_.ok()) failure_ = EndLine(line_, sink);
    return failure_;
  }

  int64_t documents() const override { return documents_; }

 private:
  absl::Status Read(std::string_view bytes, TokenSink sink) {
    while (!bytes.empty()) {
      const size_t end = bytes.find('\n');
      const std::string_view piece = bytes.substr(0, end);
      if (line_.size() + piece.size() > kMaxLineBytes) {
        return Malformed(absl::StrCat("it is longer than ", kMaxLineBytes, " bytes"));
      }
      if (end == bytes.npos) {
        line_.append(piece);
        return absl::OkStatus();
      }
      // A line that came in one piece is read where it lies.
      if (!line_.empty()) line_.append(piece);
      HOMOLOG_RETURN_IF_ERROR(EndLine(line_.empty() ? piece : std::string_view(line_), sink));
      ++line_number_;
      line_.clear();
      if (line_.capacity() > kKeptCapacity) line_.shrink_to_fit();
      bytes.remove_prefix(end + 1);
    }
    return absl::OkStatus();
  }

  absl::Status EndLine(std::string_view line, TokenSink sink) {
    if (line_number_ == 1 && line.starts_with(kByteOrderMark)) {
      line.remove_prefix(kByteOrderMark.size());
    }
    if (line.find_first_not_of(kJsonSpace) == line.npos) return absl::OkStatus();
    const absl::StatusOr<std::string> text = TextOfJsonLine(line);
    if (!text.ok()) return Malformed(std::string(text.status().message()));
    ++documents_;
    if (text->empty()) return absl::OkStatus();
    if (some_text_) HOMOLOG_RETURN_IF_ERROR(sink(std::span(&end_of_text_, 1)));
    some_text_ = true;
    HOMOLOG_RETURN_IF_ERROR(document_.Add(*text, sink));
    return document_.End(sink);
  }

  absl::Status Malformed(const std::string& what) const {
    return InvalidArgument(
        "MALFORMED_JSONL",
        absl::StrCat("line ", line_number_, " of the JSON lines cannot be read: ", what),
        {{"line", absl::StrCat(line_number_)}});
  }

  DocumentEncoder document_;
  const int32_t end_of_text_;
  std::string line_;         // the current one, so far
  int64_t line_number_ = 1;  // of the current one
  int64_t documents_ = 0;
  bool some_text_ = false;  // some document had text
  absl::Status failure_;    // final
};

}  // namespace

absl::StatusOr<std::unique_ptr<TokenReader>> MakeJsonlReader(const Tokenizer& tokenizer) {
  const std::optional<int32_t> end_of_text = tokenizer.end_of_text();
  if (!end_of_text) {
    return FailedPrecondition(
        "NO_END_OF_TEXT",
        absl::StrCat("the tokenizer (", tokenizer.kind(),
                     ") has no end-of-text token to put between documents; it needs the token "
                     "<|endoftext|>, or an eos_token in tokenizer_config.json"));
  }
  return std::make_unique<JsonlReader>(tokenizer, *end_of_text);
}

}  // namespace homolog::datasets
