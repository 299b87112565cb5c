// One checkpoint folder: config.json and weight files, read and held against each other.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_CHECKPOINTS_INSPECTION_H_
#define HOMOLOG_SERVER_CHECKPOINTS_INSPECTION_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/checkpoints/weights.h"
#include "server/engine/architecture.h"

namespace homolog::checkpoints {

// A config.json as it was when it was read.
struct CheckpointConfig {
  std::unique_ptr<engine::Architecture> architecture;
  std::string sha256;     // of the file
  std::string signature;  // as of FileSignature
};

// Reads <folder>/config.json. INVALID_ARGUMENT with what is wrong in it.
absl::StatusOr<CheckpointConfig> ReadConfig(const std::string& folder);

// The weights' bytes in device memory once loaded (float32).
int64_t WeightBytes(const engine::Architecture& architecture);

// A key that changes whenever config.json or a weight file is added, replaced or written to. Looks
// at names, sizes and times alone.
std::string FilesSignature(const std::string& folder);
// What FilesSignature said of these very files when they were opened.
std::string FilesSignature(const CheckpointConfig& config, const WeightFiles& weights);

}  // namespace homolog::checkpoints

#endif  // HOMOLOG_SERVER_CHECKPOINTS_INSPECTION_H_
