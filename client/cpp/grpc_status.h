// From gRPC's statuses to absl's.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_CLIENT_CPP_GRPC_STATUS_H_
#define HOMOLOG_CLIENT_CPP_GRPC_STATUS_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace homolog::client {

// The same code and message, with the ErrorInfo that the server sent along, if any.
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace homolog::client

#endif  // HOMOLOG_CLIENT_CPP_GRPC_STATUS_H_
