// The folder of one model (one seed): its checkpoints and training.json, the record of what they
// were made from.
//
// Thread-safety: belongs to one thread at a time. Two processes are kept apart by a lock on the
// folder.
#ifndef HOMOLOG_SERVER_TRAINING_MODEL_FOLDER_H_
#define HOMOLOG_SERVER_TRAINING_MODEL_FOLDER_H_

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/training/recipe.h"

namespace homolog::training {

// What decides the weights of a model: equal sources give equal weights, on one machine with one
// number of threads.
struct Source {
  Recipe recipe;
  int64_t seed = 0;
  std::string text_digest;  // SHA-256; "" where nothing is trained
};

// What is to be done with a model's folder.
enum class Plan { kTrain, kSkip };

// kSkip where `folder` holds all checkpoints of this very source; kTrain where it holds none
// at all, holds an unfinished run of the same source (which gives the same weights again), or
// `overwrite` is set.
// ALREADY_EXISTS (reason MODEL_EXISTS) where it holds anything else.
absl::StatusOr<Plan> PlanFor(const std::filesystem::path& folder, const Source& source,
                             bool overwrite);

class ModelFolder {
 public:
  // Makes the folder, locks it until destruction, and removes checkpoints of earlier runs.
  // FAILED_PRECONDITION (reason MODEL_IN_USE) where another process trains it.
  static absl::StatusOr<ModelFolder> Open(std::filesystem::path path, const Source& source);
  ~ModelFolder();
  ModelFolder(ModelFolder&& other) noexcept;
  ModelFolder& operator=(ModelFolder&&) = delete;

  const std::filesystem::path& path() const { return path_; }
  // The record beyond its source, to be filled in: losses, time.
  nlohmann::json& record() { return record_; }
  // Writes training.json.
  absl::Status Save() const;

 private:
  ModelFolder() = default;
  absl::Status Lock();
  absl::Status RemoveCheckpoints() const;

  std::filesystem::path path_;
  int lock_ = -1;
  nlohmann::json record_;
};

}  // namespace homolog::training

#endif  // HOMOLOG_SERVER_TRAINING_MODEL_FOLDER_H_
