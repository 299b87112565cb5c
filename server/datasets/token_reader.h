// Uploaded bytes to token ids, as a stream: plain text or JSON lines through a tokenizer, or a
// NumPy .npy file of ids; each of them compressed, or not. None ever holds the whole upload.
//
// Thread-safety: a reader belongs to one thread at a time.
#ifndef HOMOLOG_SERVER_DATASETS_TOKEN_READER_H_
#define HOMOLOG_SERVER_DATASETS_TOKEN_READER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/datasets/tokenizer.h"

namespace homolog::datasets {

// Takes the next ids, a bounded number at a time, also none: a reader that works long without an id
// asks so whether to go on. What it returns but OK stops the reader at once.
using TokenSink = absl::FunctionRef<absl::Status(std::span<const int32_t> ids)>;

class TokenReader {
 public:
  virtual ~TokenReader() = default;
  // Takes the next bytes of the upload, cut anywhere, and hands the ids they give to `sink`; some
  // may be kept back. An error, the sink's too, is final: every later call returns it.
  virtual absl::Status Feed(std::string_view bytes, TokenSink sink) = 0;
  // The upload is complete: hands on the last ids, or says what is missing.
  virtual absl::Status Finish(TokenSink sink) = 0;
  // Documents that ids were made of so far, the last one perhaps in part: 1 for plain text, or 0
  // before its first byte; lines for JSON lines; 0 for uploaded ids.
  virtual int64_t documents() const = 0;
};

// Plain text, one document. `tokenizer` outlives the reader. Errors as Encoder says.
std::unique_ptr<TokenReader> MakeTextReader(const Tokenizer& tokenizer);

// JSON lines: one object a line, its string "text" one document. Lines end in LF or CRLF, the last
// one perhaps in nothing; lines of white space and a byte order mark at the start are skipped,
// other keys ignored. The tokenizer's end_of_text() stands between documents, not behind the last;
// one whose text is empty counts as a document, but gives neither ids nor an end_of_text().
// `tokenizer` outlives the reader.
//
// FAILED_PRECONDITION (reason NO_END_OF_TEXT) for a tokenizer without one. The reader refuses with
// INVALID_ARGUMENT, reason MALFORMED_JSONL, and the number of the line: what is no JSON object, has
// no string "text", or is longer than 64 MiB.
absl::StatusOr<std::unique_ptr<TokenReader>> MakeJsonlReader(const Tokenizer& tokenizer);

// A NumPy .npy file (format versions 1 to 3), C order, 1 or 2 dimensions (rows follow each other),
// little-endian uint16, int32 or int64. INVALID_ARGUMENT: reason MALFORMED_NPY for anything else, a
// header beyond 64 KiB, or data shorter or longer than the header says; reason TOKEN_OUT_OF_RANGE
// with position and id for an id outside [0, vocabulary_size).
std::unique_ptr<TokenReader> MakeNpyReader(int64_t vocabulary_size);

// Decompresses what begins as gzip (RFC 1952, one or more members) or zstd (RFC 8878, one or more
// frames, skippable ones included) does, a bounded piece at a time, and lets anything else through;
// `inner` reads the result. INVALID_ARGUMENT (reason MALFORMED_COMPRESSION) for data that are
// damaged or cut short, or a zstd frame whose window is larger than 128 MiB.
std::unique_ptr<TokenReader> MakeDecompressingReader(std::unique_ptr<TokenReader> inner);

// Lets at most `most_bytes` through to `inner`: a few compressed bytes may stand for terabytes.
// UploadTooLarge beyond.
std::unique_ptr<TokenReader> MakeLimitedReader(std::unique_ptr<TokenReader> inner,
                                               int64_t most_bytes);

// INVALID_ARGUMENT (reason UPLOAD_TOO_LARGE): the upload has more than `most` `what`.
absl::Status UploadTooLarge(std::string_view what, int64_t most);

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_TOKEN_READER_H_
