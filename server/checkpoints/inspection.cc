#include "server/checkpoints/inspection.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/error.h"
#include "server/checkpoints/mapped_file.h"

namespace homolog::checkpoints {
namespace {

// Real config files have a few kilobytes.
constexpr size_t kConfigLimit = 4 << 20;
constexpr int kDepthLimit = 64;

// Brackets in strings do not count: "}" in one would hide what is nested behind it.
bool TooDeep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') in_string = !in_string;
    if (in_string && c == '\\') ++i;  // what it escapes
    if (in_string) continue;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (depth > kDepthLimit) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::unique_ptr<engine::Architecture>> ReadArchitecture(const std::string& folder) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::shared_ptr<const MappedFile> file,
                           MappedFile::Open(folder + "/config.json"));
  const std::string_view text = file->bytes();
  if (text.size() > kConfigLimit || TooDeep(text)) {
    return InvalidArgument("UNSUPPORTED_CONFIG",
                           absl::StrCat("config.json is larger than ", kConfigLimit,
                                        " bytes or nested deeper than ", kDepthLimit, " levels"));
  }
  const nlohmann::json config = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  // The JSON library takes a zero byte for the end.
  if (config.is_discarded() || text.find('\0') != text.npos) {
    return InvalidArgument("UNSUPPORTED_CONFIG", "config.json is not valid JSON");
  }
  return engine::ParseArchitecture(config);
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
