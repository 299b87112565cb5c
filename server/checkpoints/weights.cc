#include "server/checkpoints/weights.h"

#include <ATen/ATen.h>

#include <map>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/text.h"

namespace homolog::checkpoints {
namespace {

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::Status Mismatch(const std::string& weight, const std::string& problem) {
  return FailedPrecondition("WEIGHTS_MISMATCH",
                            absl::StrCat("weight ", Quoted(weight), " ", problem),
                            {{"weight", ValidUtf8(weight)}});
}

// The libtorch type of a dtype that weights can have.
std::optional<at::ScalarType> FloatType(SafetensorsDtype dtype) {
  switch (dtype) {
    case SafetensorsDtype::kF64:
      return at::kDouble;
    case SafetensorsDtype::kF32:
      return at::kFloat;
    case SafetensorsDtype::kF16:
      return at::kHalf;
    case SafetensorsDtype::kBF16:
      return at::kBFloat16;
    default:
      return std::nullopt;
  }
}

absl::Status CheckEntry(const SafetensorsEntry& entry, const engine::WeightSpec& spec) {
  if (entry.shape != spec.shape) {
    return Mismatch(entry.name, absl::StrCat("has shape ", ShapeText(entry.shape),
                                             "; config.json asks for ", ShapeText(spec.shape)));
  }
  if (!FloatType(entry.dtype)) {
    const std::string_view dtype = SafetensorsDtypeName(entry.dtype);
    return Mismatch(entry.name,
                    absl::StrCat("has dtype ", absl::string_view(dtype.data(), dtype.size()),
                                 "; must be F64, F32, F16 or BF16"));
  }
  return absl::OkStatus();
}

at::Tensor ReadTensor(std::string_view bytes, const SafetensorsEntry& entry, at::Device device) {
  // The mapping is read-only and the tensor that wraps it is only copied from. Data may start at
  // any byte, which x86 and ARM read as it is.
  void* data = const_cast<char*>(bytes.data() + entry.begin);
  const at::Tensor mapped =
      at::from_blob(data, entry.shape, at::TensorOptions().dtype(*FloatType(entry.dtype)));
  return mapped.to(device, at::kFloat, /*non_blocking=*/false, /*copy=*/true);
}

}  // namespace

absl::StatusOr<WeightFiles> WeightFiles::Open(const std::string& folder) {
  WeightFiles files;
  absl::StatusOr<std::shared_ptr<const MappedFile>> file =
      MappedFile::Open(folder + "/model.safetensors");
  if (absl::IsNotFound(file.status())) {
    return NotFound("WEIGHTS_NOT_FOUND", absl::StrCat("there are no weights in ", folder,
                                                      "; it must hold model.safetensors"));
  }
  HOMOLOG_RETURN_IF_ERROR(file.status());
  files.file_ = *std::move(file);
  absl::StatusOr<SafetensorsHeader> header = ParseSafetensors(files.file_->bytes());
  if (!header.ok()) return Annotate(header.status(), "model.safetensors");
  files.header_ = *std::move(header);
  return files;
}

std::string WeightFiles::Sha256() const { return Sha256Hex(file_->bytes()); }

std::string WeightFiles::signature() const { return file_->signature(); }

bool WeightFiles::Unchanged() const { return file_->Unchanged(); }

absl::StatusOr<std::vector<WeightFiles::Match>> WeightFiles::MatchWeights(
    const std::vector<engine::WeightSpec>& specs, const engine::Architecture& architecture) const {
  std::map<std::string, const SafetensorsEntry*> by_name;
  for (const SafetensorsEntry& entry : header_.entries) {
    const std::optional<std::string> name = architecture.CanonicalName(entry.name);
    if (name && !by_name.emplace(*name, &entry).second) {
      return Mismatch(entry.name,
                      absl::StrCat("stands twice, also as ", Quoted(by_name[*name]->name),
                                   "; keep one of the two"));
    }
  }
  std::vector<Match> matches;
  for (const engine::WeightSpec& spec : specs) {
    const auto found = by_name.find(spec.name);
    if (found == by_name.end()) {
      return Mismatch(spec.name, absl::StrCat("is missing; config.json asks for one of shape ",
                                              ShapeText(spec.shape)));
    }
    HOMOLOG_RETURN_IF_ERROR(CheckEntry(*found->second, spec));
    matches.push_back({&spec, found->second});
    by_name.erase(found);
  }
  if (!by_name.empty()) {
    return Mismatch(by_name.begin()->second->name,
                    absl::StrCat("is none that config.json asks for (", by_name.size(),
                                 " such in all); is it the config of these weights?"));
  }
  return matches;
}

absl::StatusOr<engine::Weights> WeightFiles::Read(const engine::Architecture& architecture,
                                                  at::Device device) const {
  const std::vector<engine::WeightSpec> specs = architecture.weight_specs();
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<Match> matches, MatchWeights(specs, architecture));
  engine::Weights weights;
  for (const Match& match : matches) {
    weights[match.spec->name] = ReadTensor(file_->bytes(), *match.entry, device);
  }
  return weights;
}

absl::Status WeightFiles::Check(const engine::Architecture& architecture) const {
  const std::vector<engine::WeightSpec> specs = architecture.weight_specs();
  return MatchWeights(specs, architecture).status();
}

}  // namespace homolog::checkpoints
