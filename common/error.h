// Errors with a machine-readable reason.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_COMMON_ERROR_H_
#define HOMOLOG_COMMON_ERROR_H_

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace homolog {

// The values at fault, by the name of the field or resource they came from.
using ErrorMetadata = std::map<std::string, std::string>;

// A status of `code` whose message says what was wrong, with which value, and what would be right,
// and which carries a google.rpc.ErrorInfo {reason, domain "homolog", metadata} as its payload.
// `reason` is UPPER_SNAKE_CASE and constant per cause (AIP-193), for example CHECKPOINT_NOT_FOUND.
absl::Status MakeError(absl::StatusCode code, std::string_view reason, std::string_view message,
                       const ErrorMetadata& metadata = {});

// One short form per code that Homolog gives.
absl::Status InvalidArgument(std::string_view reason, std::string_view message,
                             const ErrorMetadata& metadata = {});
absl::Status NotFound(std::string_view reason, std::string_view message,
                      const ErrorMetadata& metadata = {});
absl::Status AlreadyExists(std::string_view reason, std::string_view message,
                           const ErrorMetadata& metadata = {});
absl::Status FailedPrecondition(std::string_view reason, std::string_view message,
                                const ErrorMetadata& metadata = {});
absl::Status ResourceExhausted(std::string_view reason, std::string_view message,
                               const ErrorMetadata& metadata = {});
absl::Status DataLoss(std::string_view reason, std::string_view message,
                      const ErrorMetadata& metadata = {});

// The reason of `status`, or "" where it carries none.
std::string ErrorReason(const absl::Status& status);
// The value of `status` at `key` of its metadata, or "" where it has none.
std::string ErrorValue(const absl::Status& status, const std::string& key);

// The same status with a google.rpc.RetryInfo: try again after `delay` at the earliest.
absl::Status WithRetryDelay(absl::Status status, std::chrono::milliseconds delay);
// The delay of `status`; nothing where it says none.
std::optional<std::chrono::milliseconds> RetryDelay(const absl::Status& status);

// The same status with `prefix` and ": " before its message; code and payload are kept.
absl::Status Annotate(const absl::Status& status, std::string_view prefix);

// A serialised google.rpc.Status of `status` with its ErrorInfo and RetryInfo, and back. The string
// is what travels in "grpc-status-details-bin" and what a failed operation keeps.
std::string SerializeError(const absl::Status& status);
absl::Status ParseError(std::string_view serialized);

}  // namespace homolog

// Returns the status of `expression` from the enclosing function unless it is OK.
#define HOMOLOG_RETURN_IF_ERROR(expression)                                   \
  do {                                                                        \
    if (absl::Status homolog_status_ = (expression); !homolog_status_.ok()) { \
      return homolog_status_;                                                 \
    }                                                                         \
  } while (false)

#define HOMOLOG_CONCAT_INNER_(a, b) a##b
#define HOMOLOG_CONCAT_(a, b) HOMOLOG_CONCAT_INNER_(a, b)

// Assigns the value of a StatusOr to `target` (which may declare a variable), or returns its
// status from the enclosing function.
#define HOMOLOG_ASSIGN_OR_RETURN(target, expression) \
  HOMOLOG_ASSIGN_OR_RETURN_IMPL_(HOMOLOG_CONCAT_(homolog_result_, __LINE__), target, expression)
#define HOMOLOG_ASSIGN_OR_RETURN_IMPL_(result, target, expression) \
  auto result = (expression);                                      \
  if (!result.ok()) return result.status();                        \
  target = std::move(result).value()

#endif  // HOMOLOG_COMMON_ERROR_H_
