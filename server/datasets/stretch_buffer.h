// Text on its way through a step that must see it whole up to a place where it may be cut. Gathers
// text, looks for such a place near the end, and hands on what is before it.
//
// Looking for a place happens only when the text has grown to a good size, or to twice what was
// left the last time: its cost is linear in the text, however small the pieces it comes in.
//
// Thread-safety: belongs to one thread at a time.
#ifndef HOMOLOG_SERVER_DATASETS_STRETCH_BUFFER_H_
#define HOMOLOG_SERVER_DATASETS_STRETCH_BUFFER_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "server/datasets/added_tokens.h"

namespace homolog::datasets {

struct StreamLimits {
  // Text gathered before a place to cut is looked for.
  size_t gathered = 64 << 10;
  // Text without such a place beyond this is refused: memory stays bounded.
  size_t longest_stretch = 16 << 20;
};

class StretchBuffer {
 public:
  // Whether the step lets `text` be cut at `at`, between two characters.
  using MayCut = absl::FunctionRef<bool(std::string_view text, size_t at)>;
  using Take = absl::FunctionRef<absl::Status(std::string_view text)>;

  // No cut touches a token of `tokens`, which outlives the buffer.
  StretchBuffer(const AddedTokenMatcher* tokens, const StreamLimits& limits)
      : tokens_(tokens), limits_(limits), next_look_(limits.gathered) {}

  // Adds whole characters of valid UTF-8; hands what is certain to `take`, at most once.
  // INVALID_ARGUMENT (reason MALFORMED_TEXT) beyond limits.longest_stretch.
  absl::Status Add(std::string_view text, MayCut may_cut, Take take);
  // Hands everything left, unless it is nothing, to `take`.
  absl::Status TakeRest(Take take);

 private:
  size_t LastCut(MayCut may_cut) const;  // 0: none

  const AddedTokenMatcher* const tokens_;
  const StreamLimits limits_;
  std::string text_;
  size_t next_look_;  // size of the text from which on a cut is looked for
};

}  // namespace homolog::datasets

#endif  // HOMOLOG_SERVER_DATASETS_STRETCH_BUFFER_H_
