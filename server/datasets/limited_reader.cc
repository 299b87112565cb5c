#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/datasets/token_reader.h"

namespace homolog::datasets {
namespace {

class LimitedReader : public TokenReader {
 public:
  LimitedReader(std::unique_ptr<TokenReader> inner, int64_t most_bytes)
      : inner_(std::move(inner)), most_bytes_(most_bytes) {}

  absl::Status Feed(std::string_view bytes, TokenSink sink) override {
    bytes_ += static_cast<int64_t>(bytes.size());
    if (bytes_ > most_bytes_) return UploadTooLarge("bytes, decompressed", most_bytes_);
    return inner_->Feed(bytes, sink);
  }
  absl::Status Finish(TokenSink sink) override { return inner_->Finish(sink); }
  int64_t documents() const override { return inner_->documents(); }

 private:
  const std::unique_ptr<TokenReader> inner_;
  const int64_t most_bytes_;
  int64_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<TokenReader> MakeLimitedReader(std::unique_ptr<TokenReader> inner,
                                               int64_t most_bytes) {
  return std::make_unique<LimitedReader>(std::move(inner), most_bytes);
}

absl::Status UploadTooLarge(std::string_view what, int64_t most) {
  return InvalidArgument("UPLOAD_TOO_LARGE",
                         absl::StrCat("the upload has more than ", most, " ",
                                      absl::string_view(what.data(), what.size()),
                                      "; cut it into several data sets, or set max_tokens"),
                         {{"limit", absl::StrCat(most)}});
}

}  // namespace homolog::datasets
