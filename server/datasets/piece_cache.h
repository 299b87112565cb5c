// The ids of pieces met before: most pieces of a text are a few thousand words. Of fixed size; what
// hashes to the same place takes it over.
//
// Thread-safety: belongs to one thread at a time.
#ifndef HOMOLOG_SERVER_DATASETS_PIECE_CACHE_H_
#define HOMOLOG_SERVER_DATASETS_PIECE_CACHE_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace homolog::datasets {

class PieceCache {
 public:
  PieceCache() : slots_(kSlots) {}

  // Appends the ids of `piece` where they are known.
  bool Find(std::string_view piece, std::vector<int32_t>& ids) const {
    if (piece.size() > sizeof(Slot::piece)) return false;
    const Slot& slot = SlotOf(piece);
    if (slot.size != piece.size() || std::memcmp(slot.piece, piece.data(), piece.size()) != 0) {
      return false;
    }
    ids.insert(ids.end(), slot.ids, slot.ids + slot.count);
    return true;
  }

  // Remembers them where both fit a slot.
  void Insert(std::string_view piece, std::span<const int32_t> ids) {
    if (piece.empty() || piece.size() > sizeof(Slot::piece) || ids.size() > kMaxIds) return;
    Slot& slot = const_cast<Slot&>(SlotOf(piece));
    slot.size = static_cast<uint8_t>(piece.size());
    slot.count = static_cast<uint8_t>(ids.size());
    std::memcpy(slot.piece, piece.data(), piece.size());
    std::copy(ids.begin(), ids.end(), slot.ids);
  }

 private:
  static constexpr size_t kSlots = 1 << 15;  // of 64 bytes: 2 MiB
  static constexpr size_t kMaxIds = 8;

  struct Slot {
    uint8_t size = 0;  // of the piece; 0: the slot is free
    uint8_t count = 0;
    char piece[30];
    int32_t ids[kMaxIds];
  };

  const Slot& SlotOf(std::string_view piece) const {
    return slots_[std::hash<std::string_view>()(piece) % kSlots];
  }

  std::vector<Slot> slots_;
};

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_PIECE_CACHE_H_
