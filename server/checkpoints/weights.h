// Weight files to tensors.
//
// Thread-safety: a WeightFiles is immutable.
#ifndef HOMOLOG_SERVER_CHECKPOINTS_WEIGHTS_H_
#define HOMOLOG_SERVER_CHECKPOINTS_WEIGHTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/mapped_file.h"
#include "common/safetensors.h"
#include "server/engine/architecture.h"

namespace homolog::checkpoints {

// The weight files of one checkpoint, mapped, their headers read and checked.
class WeightFiles {
 public:
  // Opens <folder>/model.safetensors. NOT_FOUND (reason WEIGHTS_NOT_FOUND) where there is none;
  // INVALID_ARGUMENT (MALFORMED_SAFETENSORS) with what is wrong where.
  static absl::StatusOr<WeightFiles> Open(const std::string& folder);

  // SHA-256 over the files' bytes in order; reads all of them.
  std::string Sha256() const;
  // What WeightFilesSignature said of these very files when they were opened.
  std::string signature() const;
  // False where they were written to since: what was read of them is then no one version.
  bool Unchanged() const;

  // Every weight that `architecture` needs as float32 on `device`. FAILED_PRECONDITION (reason
  // WEIGHTS_MISMATCH) naming a weight that is missing, superfluous, of another shape or of a dtype
  // that weights cannot have. Throws what libtorch throws.
  absl::StatusOr<engine::Weights> Read(const engine::Architecture& architecture,
                                       at::Device device) const;
  // The same checks, reading nothing but headers.
  absl::Status Check(const engine::Architecture& architecture) const;

 private:
  struct Match {  // a weight and where its bytes are
    const engine::WeightSpec* spec;
    const SafetensorsEntry* entry;
  };
  absl::StatusOr<std::vector<Match>> MatchWeights(const std::vector<engine::WeightSpec>& specs,
                                                  const engine::Architecture& architecture) const;

  std::shared_ptr<const MappedFile> file_;
  SafetensorsHeader header_;
};

}  // namespace homolog::checkpoints

#endif  // HOMOLOG_SERVER_CHECKPOINTS_WEIGHTS_H_
