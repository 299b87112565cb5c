#include "common/error.h"
#include "server/datasets/document_encoder.h"
#include "server/datasets/token_reader.h"

namespace homolog::datasets {
namespace {

// The encoder of a tokenizer already takes text cut anywhere.
class TextReader : public TokenReader {
 public:
  explicit TextReader(const Tokenizer& tokenizer) : document_(tokenizer) {}

  absl::Status Feed(std::string_view bytes, TokenSink sink) override {
    begun_ = begun_ || !bytes.empty();
    if (failure_.ok()) failure_ = document_.Add(bytes, sink);
    return failure_;
  }

  absl::Status Finish(TokenSink sink) override {
    if (failure_.ok()) failure_ = document_.End(sink);
    return failure_;
  }

  int64_t documents() const override { return begun_ ? 1 : 0; }

 private:
  DocumentEncoder document_;
  bool begun_ = false;
  absl::Status failure_;  // final
};

}  // namespace

std::unique_ptr<TokenReader> MakeTextReader(const Tokenizer& tokenizer) {
  return std::make_unique<TextReader>(tokenizer);
}

}  // namespace homolog::datasets
