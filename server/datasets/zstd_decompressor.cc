#include <zstd.h>
#include <zstd_errors.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/datasets/decompressor.h"

namespace homolog::datasets {
namespace {

constexpr int kMaxWindowLog = 27;  // 128 MiB

class ZstdDecompressor : public Decompressor {
 public:
  ZstdDecompressor() : context_(ZSTD_createDCtx()), output_(kDecompressedPiece, '\0') {
    ready_ = context_ != nullptr &&
             !ZSTD_isError(ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, kMaxWindowLog));
  }
  ~ZstdDecompressor() override { ZSTD_freeDCtx(context_); }
  ZstdDecompressor(const ZstdDecompressor&) = delete;
  ZstdDecompressor& operator=(const ZstdDecompressor&) = delete;

  absl::Status Feed(std::string_view bytes, Take take) override {
    if (!ready_) return absl::ResourceExhaustedError("there is no memory to decompress zstd");
    ZSTD_inBuffer input{bytes.data(), bytes.size(), 0};
    // Output may wait inside zstd where it filled the buffer.
    for (bool more = !bytes.empty(); more || input.pos < input.size;) {
      ZSTD_outBuffer output{output_.data(), output_.size(), 0};
      const size_t result = ZSTD_decompressStream(context_, &output, &input);
      if (ZSTD_isError(result)) return Damaged(result);
      inside_frame_ = result != 0;
      if (output.pos > 0) {
        HOMOLOG_RETURN_IF_ERROR(take(std::string_view(output_).substr(0, output.pos)));
      }
      more = inside_frame_ && output.pos == output.size;
    }
    return absl::OkStatus();
  }

  absl::Status Finish() override {
    if (!inside_frame_) return absl::OkStatus();
    return MalformedCompression("the zstd data end inside a frame; they must be complete");
  }

 private:
  static absl::Status Damaged(size_t result) {
    if (ZSTD_getErrorCode(result) == ZSTD_error_frameParameter_windowTooLarge) {
      return MalformedCompression(absl::StrCat(
          "a zstd frame needs a window of more than ", 1 << (kMaxWindowLog - 20),
          " MiB; compress it with --long=", kMaxWindowLog, " at most, or without --long"));
    }
    return MalformedCompression(
        absl::StrCat("the zstd data are damaged: ", ZSTD_getErrorName(result)));
  }

  ZSTD_DCtx* const context_;
  bool ready_ = false;
  bool inside_frame_ = false;
  std::string output_;
};

}  // namespace

std::unique_ptr<Decompressor> MakeZstdDecompressor() {
  return std::make_unique<ZstdDecompressor>();
}

}  // namespace homolog::datasets
