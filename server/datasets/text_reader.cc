#include <utility>

#include "server/datasets/token_reader.h"

namespace homolog::datasets {
namespace {

// The encoder of a tokenizer already takes text cut anywhere.
class TextReader : public TokenReader {
 public:
  explicit TextReader(std::unique_ptr<Encoder> encoder) : encoder_(std::move(encoder)) {}

  absl::Status Feed(std::string_view bytes, std::vector<int32_t>& ids) override {
    return encoder_->Encode(bytes, ids);
  }

  absl::Status Finish(std::vector<int32_t>& ids) override { return encoder_->Finish(ids); }

 private:
  const std::unique_ptr<Encoder> encoder_;
};

}  // namespace

std::unique_ptr<TokenReader> MakeTextReader(const Tokenizer& tokenizer) {
  return std::make_unique<TextReader>(tokenizer.NewEncoder());
}

}  // namespace homolog::datasets
