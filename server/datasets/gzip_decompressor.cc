#include <zlib.h>

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/datasets/decompressor.h"

namespace homolog::datasets {
namespace {

constexpr int kGzipOnly = 16;  // added to the window's size in bits

class GzipDecompressor : public Decompressor {
 public:
  GzipDecompressor() : output_(kDecompressedPiece, '\0') {
    ready_ = inflateInit2(&stream_, kGzipOnly + MAX_WBITS) == Z_OK;
  }
  ~GzipDecompressor() override {
    if (ready_) inflateEnd(&stream_);
  }
  GzipDecompressor(const GzipDecompressor&) = delete;
  GzipDecompressor& operator=(const GzipDecompressor&) = delete;

  absl::Status Feed(std::string_view bytes, Take take) override {
    if (!ready_) return absl::ResourceExhaustedError("there is no memory to decompress gzip");
    // zlib counts in 32 bits.
    for (constexpr size_t kSlice = 1 << 30; bytes.size() > kSlice; bytes.remove_prefix(kSlice)) {
      HOMOLOG_RETURN_IF_ERROR(Inflate(bytes.substr(0, kSlice), take));
    }
    return Inflate(bytes, take);
  }

  absl::Status Finish() override {
    if (!inside_member_) return absl::OkStatus();
    return MalformedCompression("the gzip data end inside a member; they must be complete");
  }

 private:
  absl::Status Inflate(std::string_view bytes, Take take) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    // Output may wait inside zlib where it filled the buffer.
    for (bool more = true; stream_.avail_in > 0 || more;) {
      inside_member_ = inside_member_ || stream_.avail_in > 0;
      stream_.next_out = reinterpret_cast<Bytef*>(output_.data());
      stream_.avail_out = static_cast<uInt>(output_.size());
      const int result = inflate(&stream_, Z_NO_FLUSH);
      const size_t size = output_.size() - stream_.avail_out;
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) return Damaged();
      if (size > 0) HOMOLOG_RETURN_IF_ERROR(take(std::string_view(output_).substr(0, size)));
      more = stream_.avail_out == 0;
      if (result == Z_STREAM_END) {  // another member may follow
        inside_member_ = more = false;
        inflateReset(&stream_);
      }
    }
    return absl::OkStatus();
  }

  absl::Status Damaged() const {
    return MalformedCompression(absl::StrCat("the gzip data are damaged: ",
                                             stream_.msg == nullptr ? "unknown" : stream_.msg));
  }

  z_stream stream_{};
  bool ready_ = false;
  bool inside_member_ = false;
  std::string output_;
};

}  // namespace

std::unique_ptr<Decompressor> MakeGzipDecompressor() {
  return std::make_unique<GzipDecompressor>();
}

}  // namespace homolog::datasets
