#include "server/checkpoints/inspection.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/json.h"
#include "common/mapped_file.h"

namespace homolog::checkpoints {
namespace {

// Real config files have a few kilobytes.
constexpr size_t kConfigLimit = 4 << 20;

}  // namespace

absl::StatusOr<CheckpointConfig> ReadConfig(const std::string& folder) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> file,
                           MappedFile::Open(folder + "/config.json"));
  const absl::StatusOr<nlohmann::json> json = ParseJson(file->bytes(), kConfigLimit);
  if (!json.ok()) {
    return InvalidArgument("UNSUPPORTED_CONFIG",
                           absl::StrCat("config.json cannot be read: ", json.status().message()));
  }
  CheckpointConfig config;
  HOMOLOG_ASSIGN_OR_RETURN(config.architecture, engine::ParseArchitecture(*json));
  config.sha256 = Sha256Hex(file->bytes());
  config.signature = file->signature();
  return config;
}

int64_t WeightBytes(const engine::Architecture& architecture) {
  return engine::ParameterCount(architecture) * static_cast<int64_t>(sizeof(float));
}

std::string FilesSignature(const std::string& folder) {
  return absl::StrCat(FileSignature(folder + "/config.json"), "\n",
                      tensorfiles::TensorFiles::Signature(folder));
}

std::string FilesSignature(const CheckpointConfig& config, const WeightFiles& weights) {
  return absl::StrCat(config.signature, "\n", weights.signature());
}

}  // namespace homolog::checkpoints
