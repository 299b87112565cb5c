#include "server/checkpoints/inspector.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "common/digest.h"
#include "common/error.h"

namespace homolog::checkpoints {
namespace {

// The number counts definitions: what an older server remembers under another is not mistaken. The
// config is part of the signature, as it decides which tensors are weights.
std::string DigestKey(const std::string& signature) {
  return absl::StrCat("weights/2|", Sha256Hex(signature));
}

std::string SampleKey(const std::string& signature) {
  return absl::StrCat("sample/1|", Sha256Hex(signature));
}

absl::Status FillIn(CheckpointInfo& info) {
  HOMOLOG_ASSIGN_OR_RETURN(const CheckpointConfig config, ReadConfig(info.folder));
  info.description = config.architecture->description();
  HOMOLOG_ASSIGN_OR_RETURN(const WeightFiles weights, WeightFiles::Open(info.folder));
  HOMOLOG_RETURN_IF_ERROR(weights.Check(*config.architecture));
  info.parameter_count = engine::ParameterCount(*config.architecture);
  info.config_sha256 = config.sha256;
  return absl::OkStatus();
}

struct Sample {
  std::string signature;  // of the files as they were opened
  std::string digest;
};

absl::StatusOr<Sample> ComputeSample(const std::string& folder) {
  HOMOLOG_ASSIGN_OR_RETURN(const CheckpointConfig config, ReadConfig(folder));
  HOMOLOG_ASSIGN_OR_RETURN(const WeightFiles weights, WeightFiles::Open(folder));
  HOMOLOG_ASSIGN_OR_RETURN(std::string digest, weights.SampleDigest(*config.architecture));
  if (!weights.Unchanged()) return absl::UnavailableError("the weights were written to");
  return Sample{FilesSignature(config, weights), std::move(digest)};
}

}  // namespace

Inspector::Remembered& Inspector::Of(const CheckpointName& name, const std::string& signature) {
  Remembered& remembered = remembered_[name];
  if (remembered.signature != signature) {
    remembered = {.signature = signature, .info = std::nullopt, .sample = std::nullopt};
  }
  return remembered;
}

CheckpointInfo Inspector::Inspect(const CheckpointName& name, const std::string& folder,
                                  const std::string& signature) {
  {
    const std::lock_guard lock(mutex_);
    const Remembered& remembered = Of(name, signature);
    if (remembered.info && remembered.info->folder == folder) return *remembered.info;
  }
  CheckpointInfo info;
  info.name = name;
  info.folder = folder;
  const absl::Status status = FillIn(info);
  if (!status.ok()) {
    info.state = CheckpointState::kFailed;
    info.state_message = std::string(status.message());
  }
  // That a file could not be read says nothing of the next time.
  if (absl::IsUnavailable(status)) return info;
  const std::lock_guard lock(mutex_);
  Of(name, signature).info = info;
  return info;
}

std::optional<std::string> Inspector::KnownDigest(const std::string& signature) {
  return memo_->Get(DigestKey(signature));
}

absl::StatusOr<std::string> Inspector::Digest(const CheckpointConfig& config,
                                              const WeightFiles& weights) {
  const std::string key = DigestKey(FilesSignature(config, weights));
  std::optional<std::string> digest = memo_->Get(key);
  const bool known = digest.has_value();
  if (!known) {
    HOMOLOG_ASSIGN_OR_RETURN(digest, weights.Digest(*config.architecture));
  }
  if (!weights.Unchanged()) {
    return FailedPrecondition("WEIGHTS_CHANGED",
                              "its weights were written to while they were read; ask again");
  }
  if (!known) memo_->Put(key, *digest);
  return *std::move(digest);
}

std::optional<std::string> Inspector::SampleDigest(const CheckpointName& name,
                                                   const std::string& folder,
                                                   const std::string& signature) {
  {
    const std::lock_guard lock(mutex_);
    const Remembered& remembered = Of(name, signature);
    if (remembered.sample) return *remembered.sample;
  }
  std::optional<std::string> sample = memo_->Get(SampleKey(signature));
  std::string sampled = signature;
  if (!sample) {
    absl::StatusOr<Sample> computed = ComputeSample(folder);
    if (absl::IsUnavailable(computed.status())) return std::nullopt;
    if (computed.ok()) {
      sampled = std::move(computed->signature);
      sample = std::move(computed->digest);
      memo_->Put(SampleKey(sampled), *sample);
    }
  }
  const std::lock_guard lock(mutex_);
  Of(name, sampled).sample = sample;
  return sample;
}

void Inspector::Keep(const std::set<CheckpointName>& names) {
  const std::lock_guard lock(mutex_);
  std::erase_if(remembered_, [&](const auto& item) { return !names.contains(item.first); });
}

}  // namespace homolog::checkpoints
