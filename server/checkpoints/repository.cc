#include "server/checkpoints/repository.h"

#include <algorithm>
#include <filesystem>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"

namespace homolog::checkpoints {
namespace {

namespace fs = std::filesystem;

// Names of the folders in `folder` that are valid ids.
std::vector<std::string> Subfolders(const fs::path& folder, std::string_view what) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    const std::string name = it->path().filename().string();
    if (it->is_directory(ignored) && ValidateResourceId(what, name).ok()) names.push_back(name);
  }
  return names;
}

bool IsNumber(const std::string& step) {
  return !step.empty() && step.find_first_not_of("0123456789") == std::string::npos;
}

// Whether canonical path `folder` is below canonical path `root`.
bool IsInside(const fs::path& folder, const fs::path& root) {
  return std::mismatch(root.begin(), root.end(), folder.begin(), folder.end()).first == root.end();
}

// Of weights, configs and tokenizers.
bool MayBeRead(const fs::path& file) {
  const fs::path kind = file.extension();
  return kind == ".json" || kind == ".safetensors" || kind == ".bin" || kind == ".txt";
}

// What is read of the folder above a checkpoint's.
bool IsTokenizerFile(const fs::path& file) {
  constexpr std::string_view kNames[] = {"tokenizer.json", "tokenizer_config.json", "vocab.json",
                                         "merges.txt", "added_tokens.json"};
  return std::find(std::begin(kNames), std::end(kNames), file.filename().string()) !=
         std::end(kNames);
}

// OK also for a link that leads nowhere: opening it says so.
absl::Status CheckInside(const fs::path& file, const fs::path& root) {
  std::error_code error;
  const fs::path target = fs::canonical(file, error);
  if (error || IsInside(target, root)) return absl::OkStatus();
  return FailedPrecondition(
      "CHECKPOINT_INVALID",
      absl::StrCat(file.string(), " leads to ", target.string(), ", outside of the repository ",
                   root.string(), "; put the file, or what it links to, into the repository"),
      {{"file", file.string()}});
}

}  // namespace

bool StepLess(const std::string& a, const std::string& b) {
  // Digits without leading zeros compare by value as (length, digits), of any length.
  auto key = [](const std::string& step) {
    const std::string digits =
        IsNumber(step) ? step.substr(std::min(step.find_first_not_of('0'), step.size() - 1)) : "";
    return std::tuple(!IsNumber(step), digits.size(), digits, step);
  };
  return key(a) < key(b);
}

Repository::Repository(std::string root) : root_(std::move(root)) {}

absl::StatusOr<Repository> Repository::Open(const std::string& root) {
  std::error_code error;
  const fs::path canonical = fs::canonical(root, error);
  if (error || !fs::is_directory(canonical, error)) {
    return NotFound("REPOSITORY_NOT_FOUND",
                    absl::StrCat("the model repository \"", root,
                                 "\" is not a folder; it must hold <model>/<step>/config.json"),
                    {{"repository", root}});
  }
  return Repository(canonical.string());
}

std::vector<CheckpointName> Repository::List() const {
  std::vector<CheckpointName> names;
  for (const std::string& model : Subfolders(root_, "model")) {
    for (const std::string& step : Subfolders(fs::path(root_) / model, "step")) {
      CheckpointName name{model, step};
      if (Folder(name).ok()) names.push_back(std::move(name));
    }
  }
  std::sort(names.begin(), names.end(), [](const CheckpointName& a, const CheckpointName& b) {
    return a.model != b.model ? a.model < b.model : StepLess(a.step, b.step);
  });
  return names;
}

absl::Status Repository::CheckFiles(const std::string& folder) const {
  const fs::path own(folder);
  for (const fs::path& place : {own, own.parent_path()}) {
    std::error_code error;
    for (fs::directory_iterator it(place, error), end; !error && it != end; it.increment(error)) {
      if (!(place == own ? MayBeRead(it->path()) : IsTokenizerFile(it->path()))) continue;
      std::error_code ignored;
      if (!it->is_symlink(ignored) && IsInside(place, root_)) continue;
      HOMOLOG_RETURN_IF_ERROR(CheckInside(it->path(), root_));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Repository::Folder(const CheckpointName& name) const {
  HOMOLOG_RETURN_IF_ERROR(ValidateResourceId("model", name.model));
  HOMOLOG_RETURN_IF_ERROR(ValidateResourceId("step", name.step));
  std::error_code error;
  const fs::path folder = fs::canonical(fs::path(root_) / name.model / name.step, error);
  const bool inside = !error && IsInside(folder, root_);
  if (!inside || !fs::exists(folder / "config.json", error)) {
    return NotFound(
        "CHECKPOINT_NOT_FOUND",
        absl::StrCat("there is no checkpoint ", name.ToString(), "; the repository must hold ",
                     name.ToShortString(), "/config.json (ListCheckpoints shows what is there)"),
        {{"checkpoint", name.ToString()}});
  }
  return folder.string();
}

}  // namespace homolog::checkpoints
