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

absl::StatusOr<std::unique_ptr<engine::Architecture>> ReadArchitecture(const std::string& folder) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> file,
                           MappedFile::Open(folder + "/config.json"));
  const absl::StatusOr<nlohmann::json> config = ParseJson(file->bytes(), kConfigLimit);
  if (!config.ok()) {
    return InvalidArgument("UNSUPPORTED_CONFIG",
                           absl::StrCat("config.json cannot be read: ", config.status().message()));
  }
  return engine::ParseArchitecture(*config);
}

absl::StatusOr<std::string> ConfigDigest(const std::string& folder) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> file,
                           MappedFile::Open(folder + "/config.json"));
  return Sha256Hex(file->bytes());
}

std::string ConfigSignature(const std::string& folder) {
  return FileSignature(folder + "/config.json");
}

int64_t WeightBytes(const engine::Architecture& architecture) {
  return engine::ParameterCount(architecture) * static_cast<int64_t>(sizeof(float));
}

std::string WeightFilesSignature(const std::string& folder) {
  return FileSignature(folder + "/model.safetensors");
}

}  // namespace homolog::checkpoints
