// A text as byte tokens: the part to train on and the held-out tail.
//
// Thread-safety: immutable once read; the random generator is the caller's.
#ifndef HOMOLOG_SERVER_TRAINING_CORPUS_H_
#define HOMOLOG_SERVER_TRAINING_CORPUS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <random>
#include <string>

#include "absl/status/statusor.h"

namespace homolog::training {

class Corpus {
 public:
  // Reads the whole of `path`; the last `held_out_fraction` of it is held out. NOT_FOUND (reason
  // TEXT_NOT_FOUND) where it cannot be opened; INVALID_ARGUMENT (reason TEXT_TOO_SHORT) where
  // either part is shorter than one sequence of context + 1 bytes.
  static absl::StatusOr<Corpus> Read(const std::string& path, double held_out_fraction,
                                     int64_t context);

  // SHA-256 of the file, and its bytes.
  const std::string& digest() const { return digest_; }
  int64_t size() const { return static_cast<int64_t>(text_.size()); }

  // `batch` sequences [batch, context + 1] int64 that begin anywhere in the training part,
  // uniformly and independently.
  at::Tensor Sample(int64_t batch, std::mt19937_64& random) const;
  // At most `windows` sequences [windows, context + 1] int64 spread evenly over the held-out part,
  // without overlap; always the same.
  at::Tensor HeldOut(int64_t windows) const;

 private:
  Corpus() = default;
  // Copies the sequence that begins at byte `begin`.
  void Copy(int64_t begin, int64_t* tokens) const;

  std::string text_;
  std::string digest_;
  int64_t held_out_begin_ = 0;
  int64_t length_ = 0;  // context + 1
};

}  // namespace homolog::training

#endif  // HOMOLOG_SERVER_TRAINING_CORPUS_H_
