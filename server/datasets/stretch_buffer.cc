#include "server/datasets/stretch_buffer.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/datasets/utf8.h"

namespace homolog::datasets {
namespace {

constexpr size_t kWindow = 1024;  // positions looked at at once, from the end backwards
constexpr size_t kKeptCapacity = 1 << 20;

}  // namespace

absl::Status StretchBuffer::Add(std::string_view text, MayCut may_cut, Take take) {
  text_.append(text);
  if (text_.size() < next_look_) return absl::OkStatus();
  const size_t cut = LastCut(may_cut);
  if (cut > 0) {
    HOMOLOG_RETURN_IF_ERROR(take(std::string_view(text_).substr(0, cut)));
    text_.erase(0, cut);
  }
  if (text_.size() > limits_.longest_stretch) {
    return InvalidArgument(
        "MALFORMED_TEXT",
        absl::StrCat("the text goes on for more than ", limits_.longest_stretch,
                     " bytes without a place where its tokens are certain; it needs a change of "
                     "the kind of character (as from a word to a space or a comma) at least that "
                     "often"));
  }
  // Never beyond the limit: text beyond it is looked at before it is refused.
  next_look_ = std::max(limits_.gathered, std::min(2 * text_.size(), limits_.longest_stretch + 1));
  return absl::OkStatus();
}

absl::Status StretchBuffer::TakeRest(Take take) {
  absl::Status status;
  if (!text_.empty()) status = take(text_);
  text_.clear();
  if (text_.capacity() > kKeptCapacity) text_.shrink_to_fit();
  next_look_ = limits_.gathered;
  return status;
}

size_t StretchBuffer::LastCut(MayCut may_cut) const {
  const std::string_view text = text_;
  // Nearer to the end, a token may yet touch the cut.
  if (text.size() <= tokens_->longest() + 1) return 0;
  size_t end = text.size() - tokens_->longest() - 1;
  while (end > 0) {
    const size_t begin = end > kWindow ? end - kWindow : 0;
    const std::vector<bool> touched = tokens_->Touched(text, begin, end);
    for (size_t at = end; at > begin; --at) {
      if (touched[at - begin] || InsideCharacter(text, at)) continue;
      if (may_cut(text, at)) return at;
    }
    end = begin;
  }
  return 0;
}

}  // namespace homolog::datasets
