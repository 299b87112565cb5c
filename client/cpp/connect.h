// Connections to a Homolog server.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_CLIENT_CPP_CONNECT_H_
#define HOMOLOG_CLIENT_CPP_CONNECT_H_

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/cpp/connection.h"
#include "client/cpp/security.h"

namespace grpc {
class ChannelInterface;
}  // namespace grpc

namespace homolog::client {

struct ConnectOptions {
  // Longest time for a call that only looks something up.
  std::chrono::milliseconds call_timeout = std::chrono::minutes(1);
  // Longest time for a call that reads weights: GetCheckpoint digests them, LoadCheckpoint copies
  // them to the device; and for VerifyStore and CompactStore. Uploads and streams have none: they
  // end when the server or the network does.
  std::chrono::milliseconds weights_timeout = std::chrono::minutes(30);
  // Largest message taken from the server: a page of 10000 neurons with 64 partners fits.
  int max_receive_bytes = 256 << 20;
  Security security = {};
};

// A connection of its own to `server` ("host:port", "unix:/path", any gRPC target). Nothing is sent
// before the first call, which gives UNAVAILABLE where there is no server, or one that TLS does not
// trust. INVALID_ARGUMENT (reason TOKEN_IN_THE_CLEAR) as CheckToken.
absl::StatusOr<std::shared_ptr<Connection>> Connect(const std::string& server,
                                                    const ConnectOptions& options = {});

// The same over a channel of the caller's; of the options only the timeouts and the token apply.
std::shared_ptr<Connection> ConnectOver(std::shared_ptr<grpc::ChannelInterface> channel,
                                        const ConnectOptions& options = {});

}  // namespace homolog::client

#endif  // HOMOLOG_CLIENT_CPP_CONNECT_H_
