#include "server/training/checkpoint.h"

#include <ATen/ATen.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/safetensors.h"
#include "server/training/files.h"

namespace homolog::training {
namespace {

namespace fs = std::filesystem;

constexpr char kConfig[] = "config.json";
constexpr char kWeights[] = "model.safetensors";

// GPT2LMHeadModel keeps the decoder in its member `transformer`, and the output beside it.
std::string FileName(const std::string& canonical) {
  return canonical == "lm_head.weight" ? canonical : "transformer." + canonical;
}

absl::Status WriteWeights(const fs::path& path, const Parameters& parameters) {
  std::vector<SafetensorsEntry> entries;
  for (const engine::WeightSpec& spec : parameters.specs()) {
    entries.push_back({FileName(spec.name), SafetensorsDtype::kF32, spec.shape, 0, 0});
  }
  // transformers refuses a file that does not say which framework's layout it has.
  HOMOLOG_ASSIGN_OR_RETURN(
      std::unique_ptr<SafetensorsWriter> writer,
      SafetensorsWriter::Create(path.string(), std::move(entries), {{"format", "pt"}}));
  for (size_t i = 0; i < parameters.specs().size(); ++i) {
    const at::Tensor value = parameters.Value(i);
    const std::string_view bytes(static_cast<const char*>(value.data_ptr()), value.nbytes());
    HOMOLOG_RETURN_IF_ERROR(writer->Write(i, 0, bytes));
  }
  return writer->Finish();
}

}  // namespace

fs::path CheckpointFolder(const fs::path& model, int64_t step) {
  return model / std::to_string(step);
}

bool CheckpointExists(const fs::path& model, int64_t step) {
  const fs::path folder = CheckpointFolder(model, step);
  std::error_code ignored;
  return fs::exists(folder / kConfig, ignored) && fs::exists(folder / kWeights, ignored);
}

absl::Status WriteCheckpoint(const fs::path& model, int64_t step, const nlohmann::json& config,
                             const Parameters& parameters) {
  // The dot keeps readers of the repository away from it: a step is digits.
  const fs::path temporary = model / absl::StrCat(".", step, ".partial");
  HOMOLOG_RETURN_IF_ERROR(RemoveAll(temporary));
  HOMOLOG_RETURN_IF_ERROR(MakeFolder(temporary));
  HOMOLOG_RETURN_IF_ERROR(WriteFile(temporary / kConfig, config.dump(2) + "\n"));
  HOMOLOG_RETURN_IF_ERROR(WriteWeights(temporary / kWeights, parameters));
  return ReplaceFolder(temporary, CheckpointFolder(model, step));
}

}  // namespace homolog::training
