// One document after another through the encoder of a tokenizer into a sink, a bounded number of
// ids at a time; private to this room.
//
// Thread-safety: belongs to one thread at a time.
#ifndef HOMOLOG_SERVER_DATASETS_DOCUMENT_ENCODER_H_
#define HOMOLOG_SERVER_DATASETS_DOCUMENT_ENCODER_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/datasets/token_reader.h"
#include "server/datasets/tokenizer.h"

namespace homolog::datasets {

class DocumentEncoder {
 public:
  // `tokenizer` outlives the encoder.
  explicit DocumentEncoder(const Tokenizer& tokenizer) : encoder_(tokenizer.NewEncoder()) {}

  // The next text of the document.
  absl::Status Add(std::string_view text, TokenSink sink);
  // The end of the document.
  absl::Status End(TokenSink sink);

 private:
  absl::Status Flush(TokenSink sink);
  const std::unique_ptr<Encoder> encoder_;
  std::vector<int32_t> ids_;
};

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_DOCUMENT_ENCODER_H_
