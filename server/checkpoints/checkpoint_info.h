// What is known of a checkpoint.
#ifndef HOMOLOG_SERVER_CHECKPOINTS_CHECKPOINT_INFO_H_
#define HOMOLOG_SERVER_CHECKPOINTS_CHECKPOINT_INFO_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/resource_names.h"
#include "server/engine/model.h"

namespace homolog::checkpoints {

enum class CheckpointState { kAvailable, kLoading, kLoaded, kFailed };

struct CheckpointInfo {
  CheckpointName name;
  std::string folder;
  std::optional<engine::ModelDescription> description;  // absent where config.json cannot be read
  int64_t parameter_count = 0;
  std::string config_sha256;   // of config.json, whose settings decide what the weights compute
  std::string weights_sha256;  // WeightFiles::Digest; empty where not computed yet
  CheckpointState state = CheckpointState::kAvailable;
  std::string state_message;  // why it is kFailed
  int64_t device_bytes = 0;   // of the weights, where loaded
  // Other checkpoints of the same weights. Filled in by Registry::FindEqualWeights alone.
  std::vector<CheckpointName> equal_weights;
};

}  // namespace homolog::checkpoints

#endif  // HOMOLOG_SERVER_CHECKPOINTS_CHECKPOINT_INFO_H_
