#include "client/cli/exit_code.h"

#include "common/error.h"

namespace homolog::cli {
namespace {

constexpr char kInterruptedReason[] = "INTERRUPTED";

}  // namespace

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kInvalidArgument:
      return kExitUsage;
    case absl::StatusCode::kNotFound:
      return kExitNotFound;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return kExitUnavailable;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kAborted:
      return kExitRefused;
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return kExitNotAllowed;
    case absl::StatusCode::kCancelled:
      return ErrorReason(status) == kInterruptedReason ? kExitInterrupted : kExitFailure;
    default:
      return kExitFailure;
  }
}

absl::Status Interrupted() {
  return MakeError(absl::StatusCode::kCancelled, kInterruptedReason, "interrupted");
}

}  // namespace homolog::cli
