#include "server/checkpoints/weights.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/error.h"
#include "common/text.h"
#include "server/checkpoints/parallel.h"

namespace homolog::checkpoints {
namespace {

using tensorfiles::TensorEntry;
using tensorfiles::TensorFiles;

// What one thread copies before it gives the file's pages back.
constexpr int64_t kPieceElements = 1 << 18;

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

absl::Status CheckEntry(const TensorEntry& entry, const std::vector<int64_t>& shape) {
  if (entry.shape != shape) {
    return Mismatch(entry.name, absl::StrCat("has shape ", ShapeText(entry.shape),
                                             "; config.json asks for ", ShapeText(shape)));
  }
  if (!FloatType(entry.dtype)) {
    return Mismatch(entry.name,
                    absl::StrCat("has dtype ", std::string(SafetensorsDtypeName(entry.dtype)),
                                 "; must be F64, F32, F16 or BF16"));
  }
  return absl::OkStatus();
}

absl::Status Missing(const std::string& name, const std::vector<int64_t>& shape) {
  return Mismatch(name,
                  absl::StrCat("is missing; config.json asks for one of shape ", ShapeText(shape)));
}

absl::Status Unknown(const std::vector<const TensorEntry*>& entries) {
  const auto first = std::min_element(entries.begin(), entries.end(),
                                      [](auto* a, auto* b) { return a->name < b->name; });
  return Mismatch((*first)->name,
                  absl::StrCat("is none that config.json asks for (", entries.size(),
                               " such in all); is it the config of these weights?"));
}

void CopyPiece(const TensorFiles& files, const TensorEntry& entry, int64_t first, int64_t count,
               const at::Tensor& flat) {
  std::string scratch;
  const std::string_view bytes = files.Elements(entry, first, count, scratch);
  // The mapping is read-only and the tensor that wraps it is only copied from. Data may start at
  // any byte, which x86 and ARM read as it is.
  void* data = const_cast<char*>(bytes.data());
  const at::Tensor piece =
      at::from_blob(data, {count}, at::TensorOptions().dtype(*FloatType(entry.dtype)));
  flat.narrow(0, first, count).copy_(piece);
  files.Release(entry, first, count);
}

at::Tensor ReadTensor(const TensorFiles& files, const TensorEntry& entry, at::Device device) {
  const at::Tensor tensor = at::empty(entry.shape, at::TensorOptions().dtype(at::kFloat));
  const at::Tensor flat = tensor.view(-1);
  const int64_t elements = flat.numel();
  ForEach((elements + kPieceElements - 1) / kPieceElements, [&](int64_t piece) {
    const int64_t first = piece * kPieceElements;
    CopyPiece(files, entry, first, std::min(kPieceElements, elements - first), flat);
  });
  files.Release(entry);
  return tensor.to(device);
}

}  // namespace

absl::StatusOr<WeightFiles> WeightFiles::Open(const std::string& folder) {
  HOMOLOG_ASSIGN_OR_RETURN(TensorFiles files, TensorFiles::Open(folder));
  return WeightFiles(std::move(files));
}

absl::StatusOr<std::vector<WeightFiles::Match>> WeightFiles::MatchWeights(
    const engine::Architecture& architecture) const {
  std::map<std::string, std::vector<int64_t>> missing;
  for (engine::WeightSpec& spec : architecture.weight_specs()) {
    missing.emplace(std::move(spec.name), std::move(spec.shape));
  }
  std::map<std::string, const TensorEntry*> found;
  std::vector<const TensorEntry*> unknown;
  for (const TensorEntry& entry : files_.entries()) {
    const std::optional<std::string> name = architecture.CanonicalName(entry.name);
    if (!name) continue;
    if (const auto twin = found.find(*name); twin != found.end()) {
      return Mismatch(entry.name, absl::StrCat("stands twice, also as ", Quoted(twin->second->name),
                                               "; keep one of the two"));
    }
    const auto spec = missing.find(*name);
    if (spec == missing.end()) {
      if (FloatType(entry.dtype)) unknown.push_back(&entry);
      continue;
    }
    HOMOLOG_RETURN_IF_ERROR(CheckEntry(entry, spec->second));
    missing.erase(spec);
    found.emplace(*name, &entry);
  }
  if (!missing.empty()) return Missing(missing.begin()->first, missing.begin()->second);
  if (!unknown.empty()) return Unknown(unknown);
  std::vector<Match> matches;
  for (const auto& [name, entry] : found) matches.push_back({name, entry});
  return matches;
}

absl::Status WeightFiles::Check(const engine::Architecture& architecture) const {
  return MatchWeights(architecture).status();
}

absl::StatusOr<engine::Weights> WeightFiles::Read(const engine::Architecture& architecture,
                                                  at::Device device) const {
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<Match> matches, MatchWeights(architecture));
  engine::Weights weights;
  for (const Match& match : matches) {
    weights[match.name] = ReadTensor(files_, *match.entry, device);
  }
  return weights;
}

}  // namespace homolog::checkpoints
