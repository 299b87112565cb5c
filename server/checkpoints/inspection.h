// One checkpoint folder: config.json and weight files, read and held against each other.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_CHECKPOINTS_INSPECTION_H_
#define HOMOLOG_SERVER_CHECKPOINTS_INSPECTION_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/checkpoints/weights.h"
#include "server/engine/architecture.h"

namespace homolog::checkpoints {

// The architecture of <folder>/config.json. INVALID_ARGUMENT with what is wrong in it.
absl::StatusOr<std::unique_ptr<engine::Architecture>> ReadArchitecture(const std::string& folder);

// SHA-256 of config.json.
absl::StatusOr<std::string> ConfigDigest(const std::string& folder);
// A key that changes whenever config.json is replaced or written to.
std::string ConfigSignature(const std::string& folder);

// The weights' bytes in device memory once loaded (float32).
int64_t WeightBytes(const engine::Architecture& architecture);

// A key that changes whenever a weight file is replaced or written to: path, size, times, inode.
std::string WeightFilesSignature(const std::string& folder);

}  // namespace homolog::checkpoints

#endif  // HOMOLOG_SERVER_CHECKPOINTS_INSPECTION_H_
