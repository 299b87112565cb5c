// Byte-pair encoding of one piece of text: its bytes are the first symbols, and of all neighbours
// that a merge joins, the earliest merge of the list goes first (of its places the leftmost), until
// none applies. Source: https://arxiv.org/abs/1508.07909, section 3.2.
//
// Thread-safety: a BpeModel is immutable; a BpeScratch belongs to one thread at a time.
#ifndef HOMOLOG_SERVER_DATASETS_BPE_MODEL_H_
#define HOMOLOG_SERVER_DATASETS_BPE_MODEL_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "server/datasets/bpe_definition.h"

namespace homolog::datasets {

// Memory that encoding one piece after another uses again.
struct BpeScratch {
  struct Symbol {
    int32_t id = 0;
    int32_t previous = -1, next = -1;  // positions; -1: none
  };
  struct Candidate {  // two neighbours that a merge joins
    uint32_t rank = 0;
    int32_t position = 0;  // of the left one
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> candidates;  // a heap
};

class BpeModel {
 public:
  // INVALID_ARGUMENT (reason MALFORMED_TOKENIZER): a merge whose parts or result are not in the
  // vocabulary, with its number and text; bytes without a token where unk_token is none either.
  static absl::StatusOr<BpeModel> Create(const BpeDefinition& definition);

  // Appends the ids of `piece` (raw bytes, below 2^31). O(n log n) time and about 20 bytes of
  // scratch a byte.
  void Encode(std::string_view piece, BpeScratch& scratch, std::vector<int32_t>& ids) const;

 private:
  struct Merge {
    uint32_t rank = 0;
    int32_t result = 0;
  };
  BpeModel() = default;
  absl::Status SetBytes(const BpeDefinition& definition);
  absl::Status SetMerges(const BpeDefinition& definition);
  void SetSymbols(std::string_view piece, std::vector<BpeScratch::Symbol>& symbols) const;
  // The merge of the symbols at `position` and behind it, or null.
  const Merge* MergeAt(const BpeScratch& scratch, int32_t position) const;
  void Consider(BpeScratch& scratch, int32_t position) const;

  std::array<int32_t, 256> bytes_;  // id by byte; -1: none, such bytes give no symbol
  bool fuse_unk_ = false;
  int32_t unk_ = -1;  // what a byte without a token gives; -1: every byte has one, or it gives none
  absl::flat_hash_map<uint64_t, Merge> merges_;            // by the ids of the two
  std::unordered_map<std::string, int32_t> whole_pieces_;  // with ignore_merges: looked up first
};

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_BPE_MODEL_H_
