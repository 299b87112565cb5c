// Compressed bytes to what they hold, as a stream; private to this room.
//
// Thread-safety: a decompressor belongs to one thread at a time.
#ifndef HOMOLOG_SERVER_DATASETS_DECOMPRESSOR_H_
#define HOMOLOG_SERVER_DATASETS_DECOMPRESSOR_H_

#include <memory>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

namespace homolog::datasets {

class Decompressor {
 public:
  using Take = absl::FunctionRef<absl::Status(std::string_view bytes)>;
  virtual ~Decompressor() = default;
  // Takes the next compressed bytes, cut anywhere, and hands what they hold to `take`, at most
  // 128 KiB at a time. What `take` returns but OK stops it at once. INVALID_ARGUMENT (reason
  // MALFORMED_COMPRESSION) for damaged data.
  virtual absl::Status Feed(std::string_view bytes, Take take) = 0;
  // The data are complete: INVALID_ARGUMENT (reason MALFORMED_COMPRESSION) where they end early.
  virtual absl::Status Finish() = 0;
};

inline constexpr size_t kDecompressedPiece = 128 << 10;

std::unique_ptr<Decompressor> MakeGzipDecompressor();
std::unique_ptr<Decompressor> MakeZstdDecompressor();

// INVALID_ARGUMENT with reason MALFORMED_COMPRESSION.
absl::Status MalformedCompression(std::string_view what);

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_DECOMPRESSOR_H_
