// Weight files to tensors, and to digests that know weights again.
//
// Thread-safety: a WeightFiles is immutable; all methods may be called from any thread. Read and
// Digest use libtorch's threads.
#ifndef HOMOLOG_SERVER_CHECKPOINTS_WEIGHTS_H_
#define HOMOLOG_SERVER_CHECKPOINTS_WEIGHTS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/engine/architecture.h"
#include "server/tensorfiles/tensor_files.h"

namespace homolog::checkpoints {

// The weight files of one checkpoint, mapped, their headers read and checked. The methods that take
// an architecture fail with FAILED_PRECONDITION (reason WEIGHTS_MISMATCH) naming a weight that it
// needs and that is missing, of another shape or no float, or that stands twice, or a float tensor
// that it does not know. Other tensors of integers and bools are left alone: old checkpoints carry
// masks under several names.
class WeightFiles {
 public:
  // The errors of tensorfiles::TensorFiles::Open.
  static absl::StatusOr<WeightFiles> Open(const std::string& folder);

  // What TensorFiles::Signature said of these very files when they were opened.
  const std::string& signature() const { return files_.signature(); }
  // False where they were written to since: what was read of them is then no one version.
  bool Unchanged() const { return files_.Unchanged(); }

  // Reads nothing but headers.
  absl::Status Check(const engine::Architecture& architecture) const;
  // Every weight that `architecture` needs as float32 on `device`, row-major. Beside the weights it
  // takes a few megabytes of memory a thread on the CPU, else one weight of host memory. Throws
  // what libtorch throws.
  absl::StatusOr<engine::Weights> Read(const engine::Architecture& architecture,
                                       at::Device device) const;

  // SHA-256 over every weight that `architecture` needs, by canonical name in order: name, dtype,
  // shape and the SHA-256 of its bytes in row-major order. Equal weights have equal digests,
  // whichever format, shards, order, metadata or masks they are stored with. Reads all of them.
  absl::StatusOr<std::string> Digest(const engine::Architecture& architecture) const;
  // The same of no more bytes than the middle 4 KiB of at most 8 of the largest weights: equal
  // weights have equal ones, and others of the same shapes hardly ever. Reads next to nothing.
  absl::StatusOr<std::string> SampleDigest(const engine::Architecture& architecture) const;

 private:
  struct Match {       // a weight and where it is
    std::string name;  // canonical
    const tensorfiles::TensorEntry* entry;
  };
  explicit WeightFiles(tensorfiles::TensorFiles files) : files_(std::move(files)) {}
  // In the order of the names.
  absl::StatusOr<std::vector<Match>> MatchWeights(const engine::Architecture& architecture) const;
  std::string BytesDigest(const tensorfiles::TensorEntry& entry) const;

  tensorfiles::TensorFiles files_;
};

}  // namespace homolog::checkpoints

#endif  // HOMOLOG_SERVER_CHECKPOINTS_WEIGHTS_H_
