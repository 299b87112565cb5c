#include "server/datasets/bpe_model.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/text.h"
#include "server/datasets/byte_alphabet.h"

namespace homolog::datasets {
namespace {

using Symbol = BpeScratch::Symbol;
using Candidate = BpeScratch::Candidate;

// For a heap whose first element is the earliest merge, of its places the leftmost.
bool Later(const Candidate& a, const Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
}

uint64_t Pair(int32_t left, int32_t right) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
}

absl::Status NotInVocabulary(size_t number, const std::pair<std::string, std::string>& merge,
                             const std::string& token) {
  return MalformedTokenizer(absl::StrCat("merge ", number, " joins ", Quoted(merge.first), " and ",
                                         Quoted(merge.second), ", but ", Quoted(token),
                                         " is not in the vocabulary; it must be"));
}

}  // namespace

absl::StatusOr<BpeModel> BpeModel::Create(const BpeDefinition& definition) {
  BpeModel model;
  HOMOLOG_RETURN_IF_ERROR(model.SetBytes(definition));
  HOMOLOG_RETURN_IF_ERROR(model.SetMerges(definition));
  if (!definition.ignore_merges) return model;
  for (const auto& [text, id] : definition.vocabulary) {
    if (const auto bytes = BytesOfAlphabet(text)) model.whole_pieces_.emplace(*bytes, id);
  }
  return model;
}

absl::Status BpeModel::SetBytes(const BpeDefinition& definition) {
  const BpeVocabulary& vocabulary = definition.vocabulary;
  for (int byte = 0; byte < 256; ++byte) {
    const auto found = vocabulary.find(ByteCharacter(static_cast<uint8_t>(byte)));
    bytes_[byte] = found == vocabulary.end() ? -1 : found->second;
  }
  if (!definition.MissesBytes() || !definition.unk_token) return absl::OkStatus();
  const auto unk = vocabulary.find(*definition.unk_token);
  if (unk == vocabulary.end()) {
    return MalformedTokenizer(
        absl::StrCat("some bytes have no token, and unk_token, which would stand for them, is ",
                     Quoted(*definition.unk_token), ", which is not in the vocabulary"));
  }
  unk_ = unk->second;
  fuse_unk_ = definition.fuse_unk;
  return absl::OkStatus();
}

absl::Status BpeModel::SetMerges(const BpeDefinition& definition) {
  const BpeVocabulary& vocabulary = definition.vocabulary;
  merges_.reserve(definition.merges.size());
  for (size_t i = 0; i < definition.merges.size(); ++i) {
    const auto& merge = definition.merges[i];
    int32_t ids[3];
    const std::string texts[3] = {merge.first, merge.second, merge.first + merge.second};
    for (int part = 0; part < 3; ++part) {
      const auto found = vocabulary.find(texts[part]);
      if (found == vocabulary.end()) return NotInVocabulary(i, merge, texts[part]);
      ids[part] = found->second;
    }
    // A pair that stands twice has its last rank, as in the Rust library.
    merges_[Pair(ids[0], ids[1])] = {static_cast<uint32_t>(i), ids[2]};
  }
  return absl::OkStatus();
}

void BpeModel::Encode(std::string_view piece, BpeScratch& scratch,
                      std::vector<int32_t>& ids) const {
  if (!whole_pieces_.empty()) {
    const auto found = whole_pieces_.find(std::string(piece));
    if (found != whole_pieces_.end()) return ids.push_back(found->second);
  }
  std::vector<Symbol>& symbols = scratch.symbols;
  SetSymbols(piece, symbols);
  if (symbols.empty()) return;
  scratch.candidates.clear();
  for (size_t i = 0; i < symbols.size(); ++i) Consider(scratch, static_cast<int32_t>(i));
  while (!scratch.candidates.empty()) {
    std::pop_heap(scratch.candidates.begin(), scratch.candidates.end(), Later);
    const Candidate candidate = scratch.candidates.back();
    scratch.candidates.pop_back();
    const Merge* merge = MergeAt(scratch, candidate.position);
    // Other merges may have changed the symbols since.
    if (merge == nullptr || merge->rank != candidate.rank) continue;
    Symbol& left = symbols[candidate.position];
    Symbol& right = symbols[left.next];
    left.id = merge->result;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbols[left.next].previous = candidate.position;
    if (left.previous >= 0) Consider(scratch, left.previous);
    Consider(scratch, candidate.position);
  }
  for (int32_t at = 0; at >= 0; at = symbols[at].next) ids.push_back(symbols[at].id);
}

void BpeModel::SetSymbols(std::string_view piece, std::vector<Symbol>& symbols) const {
  symbols.clear();
  bool after_unk = false;
  for (const char byte : piece) {
    const int32_t known = bytes_[static_cast<unsigned char>(byte)];
    const int32_t id = known >= 0 ? known : unk_;
    if (id < 0 || (known < 0 && after_unk && fuse_unk_)) continue;
    after_unk = known < 0;
    const auto at = static_cast<int32_t>(symbols.size());
    if (at > 0) symbols.back().next = at;
    symbols.push_back({id, at - 1, -1});
  }
}

const BpeModel::Merge* BpeModel::MergeAt(const BpeScratch& scratch, int32_t position) const {
  const Symbol& left = scratch.symbols[position];
  if (left.id < 0 || left.next < 0) return nullptr;
  const auto found = merges_.find(Pair(left.id, scratch.symbols[left.next].id));
  return found == merges_.end() ? nullptr : &found->second;
}

void BpeModel::Consider(BpeScratch& scratch, int32_t position) const {
  const Merge* merge = MergeAt(scratch, position);
  if (merge == nullptr) return;
  scratch.candidates.push_back({merge->rank, position});
  std::push_heap(scratch.candidates.begin(), scratch.candidates.end(), Later);
}

}  // namespace homolog::datasets
