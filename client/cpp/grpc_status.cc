#include "client/cpp/grpc_status.h"

#include "common/error.h"

namespace homolog::client {

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  if (!status.error_details().empty()) {
    absl::Status detailed = ParseError(status.error_details());
    // Details that speak of another error (a proxy's, an older server's) are not this error's.
    if (detailed.code() == code && !ErrorReason(detailed).empty()) return detailed;
  }
  return absl::Status(code, status.error_message());
}

}  // namespace homolog::client
