// Writes a checkpoint as Hugging Face's GPT2LMHeadModel.from_pretrained reads it.
//
// Thread-safety: pure functions; the file system is shared.
#ifndef HOMOLOG_SERVER_TRAINING_CHECKPOINT_H_
#define HOMOLOG_SERVER_TRAINING_CHECKPOINT_H_

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "absl/status/status.h"
#include "server/training/parameters.h"

namespace homolog::training {

// Where the checkpoint of `step` lies in a model's folder.
std::filesystem::path CheckpointFolder(const std::filesystem::path& model, int64_t step);

// Whether both its files are there. A folder gets its name only once they are complete.
bool CheckpointExists(const std::filesystem::path& model, int64_t step);

// Writes config.json and model.safetensors (float32) of `step`, in place of what was there.
absl::Status WriteCheckpoint(const std::filesystem::path& model, int64_t step,
                             const nlohmann::json& config, const Parameters& parameters);

}  // namespace homolog::training

#endif  // HOMOLOG_SERVER_TRAINING_CHECKPOINT_H_
