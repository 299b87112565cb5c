// Resource names (AIP-122): models/{model}/checkpoints/{step}, datasets/{dataset},
// correlations/{correlation}, ablations/{ablation}, studies/{study}, families/{families},
// operations/{operation}.
//
// An id is 1 to 128 letters, digits, '.', '_' or '-', and neither "." nor "..": it can be a folder
// name and cannot leave its folder.
//
// Thread-safety: pure functions and values.
#ifndef HOMOLOG_COMMON_RESOURCE_NAMES_H_
#define HOMOLOG_COMMON_RESOURCE_NAMES_H_

#include <compare>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace homolog {

// INVALID_ARGUMENT (reason INVALID_RESOURCE_ID) unless `id` is a valid id; `what` names it in the
// message ("model", "step", "data set" ...).
absl::Status ValidateResourceId(std::string_view what, std::string_view id);

// models/{model}/checkpoints/{step}
struct CheckpointName {
  std::string model;
  std::string step;  // training step (digits) or "main"

  // INVALID_ARGUMENT (reason INVALID_RESOURCE_NAME) for anything but the full name.
  static absl::StatusOr<CheckpointName> Parse(std::string_view name);
  // The full name.
  std::string ToString() const;
  // {model}/{step}: what people type and read.
  std::string ToShortString() const;
  auto operator<=>(const CheckpointName&) const = default;
};

// The id of a one-level name: ParseName("datasets", "datasets/pile") is "pile". INVALID_ARGUMENT
// (reason INVALID_RESOURCE_NAME) where `name` is not in `collection`.
absl::StatusOr<std::string> ParseName(std::string_view collection, std::string_view name);
// "{collection}/{id}".
std::string FormatName(std::string_view collection, std::string_view id);

inline constexpr std::string_view kDatasets = "datasets";
inline constexpr std::string_view kCorrelations = "correlations";
inline constexpr std::string_view kAblations = "ablations";
inline constexpr std::string_view kStudies = "studies";
inline constexpr std::string_view kFamilies = "families";
inline constexpr std::string_view kModels = "models";
inline constexpr std::string_view kOperations = "operations";

// Full names from what people type: "alias/100000" and "models/alias/checkpoints/100000" both give
// the latter; "pile" and "datasets/pile" both give the latter. INVALID_ARGUMENT otherwise.
absl::StatusOr<std::string> ExpandCheckpointName(std::string_view typed);
absl::StatusOr<std::string> ExpandName(std::string_view collection, std::string_view typed);

}  // namespace homolog

#endif  // HOMOLOG_COMMON_RESOURCE_NAMES_H_
