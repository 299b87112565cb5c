#include "server/training/corpus.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/text.h"

namespace homolog::training {
namespace {

absl::StatusOr<std::string> ReadText(const std::string& path) {
  std::string text;
  std::FILE* file = std::fopen(path.c_str(), "rb");
  bool failed = file == nullptr;
  for (size_t count = 1; !failed && count > 0;) {
    constexpr size_t kChunk = 1 << 20;
    const size_t size = text.size();
    text.resize(size + kChunk);
    count = std::fread(text.data() + size, 1, kChunk, file);
    text.resize(size + count);
    failed = std::ferror(file) != 0;  // a folder opens, but cannot be read
  }
  const int error = errno;
  if (file != nullptr) std::fclose(file);
  if (!failed) return text;
  return NotFound("TEXT_NOT_FOUND",
                  absl::StrCat("--text is ", Quoted(path), ": ", std::strerror(error),
                               "; must be a text file that can be read"),
                  {{"text", path}});
}

}  // namespace

absl::StatusOr<Corpus> Corpus::Read(const std::string& path, double held_out_fraction,
                                    int64_t context) {
  Corpus corpus;
  HOMOLOG_ASSIGN_OR_RETURN(corpus.text_, ReadText(path));
  corpus.digest_ = Sha256Hex(corpus.text_);
  corpus.length_ = context + 1;
  const int64_t held_out = static_cast<int64_t>(held_out_fraction * corpus.size());
  corpus.held_out_begin_ = corpus.size() - held_out;
  if (std::min(held_out, corpus.held_out_begin_) < corpus.length_) {
    return InvalidArgument(
        "TEXT_TOO_SHORT",
        absl::StrCat("--text is ", Quoted(path), " of ", corpus.size(), " bytes, ", held_out,
                     " of them held out (--held-out-fraction ", held_out_fraction,
                     "); both parts must have at least --context + 1 = ", corpus.length_, " bytes"),
        {{"text", path}});
  }
  return corpus;
}

void Corpus::Copy(int64_t begin, int64_t* tokens) const {
  for (int64_t i = 0; i < length_; ++i) tokens[i] = static_cast<unsigned char>(text_[begin + i]);
}

at::Tensor Corpus::Sample(int64_t batch, std::mt19937_64& random) const {
  at::Tensor tokens = at::empty({batch, length_}, at::kLong);
  const uint64_t starts = static_cast<uint64_t>(held_out_begin_ - length_ + 1);
  for (int64_t row = 0; row < batch; ++row) {
    // The remainder of 64 random bits: the same on every standard library, unlike
    // std::uniform_int_distribution, and biased by less than 1e-7 for any text that fits memory.
    Copy(static_cast<int64_t>(random() % starts), tokens.data_ptr<int64_t>() + row * length_);
  }
  return tokens;
}

at::Tensor Corpus::HeldOut(int64_t windows) const {
  const int64_t fit = (size() - held_out_begin_) / length_;
  const int64_t count = std::min(windows, fit);
  at::Tensor tokens = at::empty({count, length_}, at::kLong);
  for (int64_t row = 0; row < count; ++row) {
    Copy(held_out_begin_ + row * fit / count * length_, tokens.data_ptr<int64_t>() + row * length_);
  }
  return tokens;
}

}  // namespace homolog::training
