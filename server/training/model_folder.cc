#include "server/training/model_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/training/checkpoint.h"
#include "server/training/files.h"

namespace homolog::training {
namespace {

namespace fs = std::filesystem;

constexpr char kRecord[] = "training.json";
// Grows when the same recipe begins to give other weights.
constexpr int kVersion = 1;

nlohmann::json SourceJson(const Source& source) {
  return {{"version", kVersion},
          {"seed", source.seed},
          {"text_sha256", source.text_digest},
          {"recipe", ToJson(source.recipe)}};
}

// The source in training.json; null where there is none or it cannot be read.
nlohmann::json RecordedSource(const fs::path& folder) {
  std::ifstream file(folder / kRecord);
  if (!file) return nullptr;
  const nlohmann::json record = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  return record.is_object() ? record.value("source", nlohmann::json()) : nlohmann::json();
}

bool IsCheckpointName(const std::string& name) {
  // Also an unfinished one, ".800.partial".
  if (name.starts_with(".") && name.ends_with(".partial")) return true;
  return std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The names of checkpoints in `folder`, finished or not.
std::vector<std::string> CheckpointNames(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (IsCheckpointName(name)) names.push_back(name);
  }
  return names;
}

bool IsComplete(const fs::path& folder, const Recipe& recipe) {
  return std::all_of(recipe.checkpoints.begin(), recipe.checkpoints.end(),
                     [&](int64_t step) { return CheckpointExists(folder, step); });
}

// The first difference between two sources, for people: "recipe.layers is 2 there and 3 here".
std::string Difference(const nlohmann::json& there, const nlohmann::json& here) {
  if (!there.is_object() || there.empty()) return absl::StrCat("it has no readable ", kRecord);
  const nlohmann::json flat_there = there.flatten(), flat_here = here.flatten();
  for (const auto& [key, value] : flat_here.items()) {
    const nlohmann::json other = flat_there.value(key, nlohmann::json());
    if (other == value) continue;
    return absl::StrCat(key.substr(1), " is ", other.dump(), " there and ", value.dump(), " here");
  }
  return "it has settings that are not known here";
}

}  // namespace

absl::StatusOr<Plan> PlanFor(const fs::path& folder, const Source& source, bool overwrite) {
  if (overwrite) return Plan::kTrain;
  const nlohmann::json there = RecordedSource(folder), here = SourceJson(source);
  if (there == here) {
    return IsComplete(folder, source.recipe) ? Plan::kSkip : Plan::kTrain;
  }
  if (CheckpointNames(folder).empty()) return Plan::kTrain;  // nothing would be lost
  return AlreadyExists(
      "MODEL_EXISTS",
      absl::StrCat(folder.string(), " holds a model of another recipe: ", Difference(there, here),
                   "; choose another --model or --out, or pass --overwrite"),
      {{"folder", folder.string()}});
}

absl::StatusOr<ModelFolder> ModelFolder::Open(fs::path path, const Source& source) {
  ModelFolder folder;
  folder.path_ = std::move(path);
  folder.record_["source"] = SourceJson(source);
  HOMOLOG_RETURN_IF_ERROR(MakeFolder(folder.path_));
  HOMOLOG_RETURN_IF_ERROR(folder.Lock());
  HOMOLOG_RETURN_IF_ERROR(folder.RemoveCheckpoints());
  HOMOLOG_RETURN_IF_ERROR(folder.Save());
  return folder;
}

ModelFolder::~ModelFolder() {
  if (lock_ >= 0) ::close(lock_);
}

ModelFolder::ModelFolder(ModelFolder&& other) noexcept
    : path_(std::move(other.path_)),
      lock_(std::exchange(other.lock_, -1)),
      record_(std::move(other.record_)) {}

absl::Status ModelFolder::Lock() {
  lock_ = ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ < 0) return FileError("opening", path_, {errno, std::generic_category()});
  if (::flock(lock_, LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
  if (errno != EWOULDBLOCK) return FileError("locking", path_, {errno, std::generic_category()});
  return FailedPrecondition("MODEL_IN_USE",
                            absl::StrCat(path_.string(),
                                         " is being trained by another process; wait for it, or "
                                         "choose another --model or --out"),
                            {{"folder", path_.string()}});
}

absl::Status ModelFolder::RemoveCheckpoints() const {
  for (const std::string& name : CheckpointNames(path_)) {
    HOMOLOG_RETURN_IF_ERROR(RemoveAll(path_ / name));
  }
  return absl::OkStatus();
}

absl::Status ModelFolder::Save() const {
  return WriteFile(path_ / kRecord, record_.dump(2) + "\n");
}

}  // namespace homolog::training
