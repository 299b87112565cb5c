// The byte-level BPE tokenizer of GPT-2 and its kin (GPT-NeoX, Pythia ...), with the ids that
// Hugging Face tokenizers give without adding special tokens around the text.
//
// Text goes through four steps: added tokens that stand for raw text are taken out; the rest is
// normalised; added tokens that stand for normalised text are taken out; the rest is split
// (pre_tokenizer.h) and merged (bpe_model.h).
//
// Thread-safety: immutable.
#ifndef HOMOLOG_SERVER_DATASETS_BYTE_LEVEL_BPE_H_
#define HOMOLOG_SERVER_DATASETS_BYTE_LEVEL_BPE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "server/datasets/added_tokens.h"
#include "server/datasets/bpe_definition.h"
#include "server/datasets/bpe_model.h"
#include "server/datasets/stretch_buffer.h"
#include "server/datasets/tokenizer.h"

namespace homolog::datasets {

class ByteLevelBpe : public Tokenizer {
 public:
  // INVALID_ARGUMENT (reason MALFORMED_TOKENIZER) as BpeDefinition::CheckIds and BpeModel::Create.
  static absl::StatusOr<std::shared_ptr<const ByteLevelBpe>> Create(BpeDefinition definition);

  std::unique_ptr<Encoder> NewEncoder() const override { return NewEncoder(StreamLimits()); }
  // Tests stream short texts with small limits.
  std::unique_ptr<Encoder> NewEncoder(const StreamLimits& limits) const;
  absl::StatusOr<std::string> Decode(const std::vector<int32_t>& ids) const override;
  int64_t vocabulary_size() const override { return vocabulary_size_; }
  std::string digest() const override { return digest_; }
  std::string kind() const override { return "byte-level-bpe"; }
  std::optional<int32_t> end_of_text() const override { return end_of_text_; }

  // What an encoder works with.
  const BpeModel& model() const { return model_; }
  const AddedTokenMatcher& raw_tokens() const { return raw_tokens_; }
  const AddedTokenMatcher& normalized_tokens() const { return normalized_tokens_; }
  bool nfc() const { return nfc_; }
  bool add_prefix_space() const { return add_prefix_space_; }
  bool use_regex() const { return use_regex_; }

 private:
  ByteLevelBpe(const BpeDefinition& definition, BpeModel model,
               std::vector<AddedToken> normalized_tokens);
  void SetTexts(const BpeDefinition& definition);

  const BpeModel model_;
  const AddedTokenMatcher raw_tokens_;
  const AddedTokenMatcher normalized_tokens_;
  const bool nfc_, add_prefix_space_, use_regex_;
  const std::string digest_;
  const std::optional<int32_t> end_of_text_;
  absl::flat_hash_map<int32_t, std::string> texts_;  // bytes by id
  int64_t vocabulary_size_ = 0;
};

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_BYTE_LEVEL_BPE_H_
