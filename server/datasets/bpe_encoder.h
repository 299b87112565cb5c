// A stream of text on its way through a ByteLevelBpe; private to this room.
//
// Thread-safety: belongs to one thread at a time.
#ifndef HOMOLOG_SERVER_DATASETS_BPE_ENCODER_H_
#define HOMOLOG_SERVER_DATASETS_BPE_ENCODER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "server/datasets/bpe_model.h"
#include "server/datasets/byte_level_bpe.h"
#include "server/datasets/piece_cache.h"
#include "server/datasets/pre_tokenizer.h"
#include "server/datasets/stretch_buffer.h"
#include "server/datasets/tokenizer.h"

namespace homolog::datasets {

class BpeEncoder : public Encoder {
 public:
  // `tokenizer` outlives the encoder.
  BpeEncoder(const ByteLevelBpe* tokenizer, const StreamLimits& limits);

  absl::Status Encode(std::string_view text, std::vector<int32_t>& ids) override;
  absl::Status Finish(std::vector<int32_t>& ids) override;

 private:
  using Ids = std::vector<int32_t>;
  absl::Status Check(std::string_view text, Ids& ids);
  absl::Status AddRaw(std::string_view text, Ids& ids);
  absl::Status EncodeRaw(std::string_view text, Ids& ids);
  absl::Status AddNormalized(std::string_view text, Ids& ids);
  absl::Status EndStretch(Ids& ids);
  absl::Status EncodeNormalized(std::string_view text, Ids& ids);
  absl::Status EncodePart(std::string_view text, bool begins, Ids& ids);
  void EncodePiece(std::string_view piece, Ids& ids);
  absl::Status Malformed(std::string_view at) const;

  const ByteLevelBpe& tokenizer_;
  const bool raw_is_normalized_;  // the first two steps do nothing
  PreTokenizer pre_tokenizer_;
  BpeScratch scratch_;
  PieceCache cache_;
  // Of the document:
  int64_t checked_ = 0;        // bytes known to be valid UTF-8
  std::string cut_character_;  // its bytes so far
  StretchBuffer raw_;
  StretchBuffer normalized_;     // of the text since the last raw token
  bool inside_stretch_ = false;  // some of that was encoded already
  absl::Status failure_;         // final
};

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_BPE_ENCODER_H_
