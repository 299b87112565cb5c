#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/datasets/decompressor.h"
#include "server/datasets/token_reader.h"

namespace homolog::datasets {
namespace {

constexpr std::string_view kGzip = "\x1F\x8B";
constexpr std::string_view kZstd = "\x28\xB5\x2F\xFD";
constexpr std::string_view kSkippableEnd = "\x2A\x4D\x18";  // behind a byte 0x50 to 0x5F
constexpr size_t kLongestMagic = 4;

enum class Kind { kUndecided, kPlain, kGzip, kZstd };

// Of what begins with `start`; undecided while it is the beginning of a beginning.
Kind KindOf(std::string_view start) {
  if (start.starts_with(kGzip)) return Kind::kGzip;
  if (start.starts_with(kZstd)) return Kind::kZstd;
  if (kGzip.starts_with(start) || kZstd.starts_with(start)) return Kind::kUndecided;
  const bool skippable = (static_cast<unsigned char>(start[0]) & 0xF0) == 0x50 &&
                         kSkippableEnd.starts_with(start.substr(1, kLongestMagic - 1));
  if (!skippable) return Kind::kPlain;
  return start.size() < kLongestMagic ? Kind::kUndecided : Kind::kZstd;
}

class DecompressingReader : public TokenReader {
 public:
  explicit DecompressingReader(std::unique_ptr<TokenReader> inner) : inner_(std::move(inner)) {}

  absl::Status Feed(std::string_view bytes, TokenSink sink) override {
    if (failure_.ok()) failure_ = Read(bytes, sink);
    return failure_;
  }

  absl::Status Finish(TokenSink sink) override {
    if (failure_.ok()) failure_ = End(sink);
    return failure_;
  }

  int64_t documents() const override { return inner_->documents(); }

 private:
  absl::Status Read(std::string_view bytes, TokenSink sink) {
    if (kind_ != Kind::kUndecided) return Decompress(bytes, sink);
    const size_t taken = std::min(kLongestMagic - start_.size(), bytes.size());
    start_.append(bytes.substr(0, taken));
    bytes.remove_prefix(taken);
    kind_ = KindOf(start_);
    if (kind_ == Kind::kUndecided) return absl::OkStatus();
    if (kind_ == Kind::kGzip) decompressor_ = MakeGzipDecompressor();
    if (kind_ == Kind::kZstd) decompressor_ = MakeZstdDecompressor();
    HOMOLOG_RETURN_IF_ERROR(Decompress(start_, sink));
    return Decompress(bytes, sink);
  }

  absl::Status Decompress(std::string_view bytes, TokenSink sink) {
    if (decompressor_ == nullptr) return inner_->Feed(bytes, sink);
    return decompressor_->Feed(bytes, [&](std::string_view piece) {
      // A few bytes may stand for gigabytes that give no id.
      HOMOLOG_RETURN_IF_ERROR(sink({}));
      return inner_->Feed(piece, sink);
    });
  }

  absl::Status End(TokenSink sink) {
    if (kind_ == Kind::kUndecided) HOMOLOG_RETURN_IF_ERROR(inner_->Feed(start_, sink));
    if (decompressor_ != nullptr) HOMOLOG_RETURN_IF_ERROR(decompressor_->Finish());
    return inner_->Finish(sink);
  }

  const std::unique_ptr<TokenReader> inner_;
  std::string start_;  // what the kind is decided by
  Kind kind_ = Kind::kUndecided;
  std::unique_ptr<Decompressor> decompressor_;  // null for plain bytes
  absl::Status failure_;                        // final
};

}  // namespace

std::unique_ptr<TokenReader> MakeDecompressingReader(std::unique_ptr<TokenReader> inner) {
  return std::make_unique<DecompressingReader>(std::move(inner));
}

absl::Status MalformedCompression(std::string_view what) {
  return InvalidArgument("MALFORMED_COMPRESSION", what);
}

}  // namespace homolog::datasets
