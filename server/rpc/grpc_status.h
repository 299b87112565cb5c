// absl::Status on gRPC's wire.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_RPC_GRPC_STATUS_H_
#define HOMOLOG_SERVER_RPC_GRPC_STATUS_H_

#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"

namespace homolog::rpc {

// The same code and message, with a google.rpc.Status as details where the status carries a reason.
grpc::Status ToGrpcStatus(const absl::Status& status);

}  // namespace homolog::rpc

#endif  // HOMOLOG_SERVER_RPC_GRPC_STATUS_H_
