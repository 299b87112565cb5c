#include "common/resource_names.h"

#include <algorithm>
#include <vector>

#include "common/error.h"
#include "common/text.h"

namespace homolog {
namespace {

constexpr size_t kMaxIdBytes = 128;
constexpr std::string_view kCheckpoints = "checkpoints";
constexpr std::string_view kCheckpointForm = "models/{model}/checkpoints/{step}";

// Not std::isalnum, which asks the locale.
bool IsIdCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

std::vector<std::string_view> SplitAtSlashes(std::string_view name) {
  std::vector<std::string_view> parts;
  for (size_t slash = name.find('/'); slash != name.npos; slash = name.find('/')) {
    parts.push_back(name.substr(0, slash));
    name.remove_prefix(slash + 1);
  }
  parts.push_back(name);
  return parts;
}

absl::Status NotOfForm(std::string_view name, std::string_view form) {
  return InvalidArgument(
      "INVALID_RESOURCE_NAME",
      "the resource name " + Quoted(name) + " is not of the form " + std::string(form),
      {{"name", std::string(name)}});
}

// The same error, about the whole name that the id stands in.
absl::Status InName(const absl::Status& id_error, std::string_view name) {
  return InvalidArgument("INVALID_RESOURCE_NAME",
                         "the resource name " + Quoted(name) + " is not valid: " +
                             std::string(id_error.message().data(), id_error.message().size()),
                         {{"name", std::string(name)}});
}

absl::StatusOr<CheckpointName> MakeCheckpointName(std::string_view name, std::string_view model,
                                                  std::string_view step) {
  if (absl::Status valid = ValidateResourceId("model", model); !valid.ok()) {
    return InName(valid, name);
  }
  if (absl::Status valid = ValidateResourceId("step", step); !valid.ok()) {
    return InName(valid, name);
  }
  return CheckpointName{std::string(model), std::string(step)};
}

}  // namespace

absl::Status ValidateResourceId(std::string_view what, std::string_view id) {
  const bool characters_fit = std::all_of(id.begin(), id.end(), IsIdCharacter);
  const bool length_fits = !id.empty() && id.size() <= kMaxIdBytes;
  if (characters_fit && length_fits && id != "." && id != "..") return absl::OkStatus();
  return InvalidArgument("INVALID_RESOURCE_ID",
                         "the " + std::string(what) + " id " + Quoted(id) +
                             " is not 1 to 128 letters, digits, '.', '_' or '-' other than \".\" "
                             "and \"..\"",
                         {{std::string(what), std::string(id)}});
}

absl::StatusOr<CheckpointName> CheckpointName::Parse(std::string_view name) {
  const std::vector<std::string_view> parts = SplitAtSlashes(name);
  if (parts.size() != 4 || parts[0] != kModels || parts[2] != kCheckpoints) {
    return NotOfForm(name, kCheckpointForm);
  }
  return MakeCheckpointName(name, parts[1], parts[3]);
}

std::string CheckpointName::ToString() const {
  return std::string(kModels) + "/" + model + "/" + std::string(kCheckpoints) + "/" + step;
}

std::string CheckpointName::ToShortString() const { return model + "/" + step; }

absl::StatusOr<std::string> ParseName(std::string_view collection, std::string_view name) {
  const std::vector<std::string_view> parts = SplitAtSlashes(name);
  if (parts.size() != 2 || parts[0] != collection) {
    return NotOfForm(name, std::string(collection) + "/{id}");
  }
  if (absl::Status valid = ValidateResourceId("resource", parts[1]); !valid.ok()) {
    return InName(valid, name);
  }
  return std::string(parts[1]);
}

std::string FormatName(std::string_view collection, std::string_view id) {
  return std::string(collection) + "/" + std::string(id);
}

absl::StatusOr<std::string> ExpandCheckpointName(std::string_view typed) {
  const std::vector<std::string_view> parts = SplitAtSlashes(typed);
  if (parts.size() != 2) {
    HOMOLOG_ASSIGN_OR_RETURN(const CheckpointName name, CheckpointName::Parse(typed));
    return name.ToString();
  }
  HOMOLOG_ASSIGN_OR_RETURN(const CheckpointName name,
                           MakeCheckpointName(typed, parts[0], parts[1]));
  return name.ToString();
}

absl::StatusOr<std::string> ExpandName(std::string_view collection, std::string_view typed) {
  const bool is_short = typed.find('/') == typed.npos;
  const std::string name = is_short ? FormatName(collection, typed) : std::string(typed);
  HOMOLOG_RETURN_IF_ERROR(ParseName(collection, name).status());
  return name;
}

}  // namespace homolog
