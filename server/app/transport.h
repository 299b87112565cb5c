// How bytes reach the server: in the clear or over TLS, whose files are read again when they
// change.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_APP_TRANSPORT_H_
#define HOMOLOG_SERVER_APP_TRANSPORT_H_

#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/app/config.h"

namespace homolog::app {

// INVALID_ARGUMENT (reason INVALID_FLAG) where the files of TLS, if any, cannot be used: see
// pem_files.h.
absl::Status CheckTransport(const Config& config);

// The credentials that --listen takes; errors as CheckTransport. The files are looked at every
// config.tls_refresh_seconds for as long as the credentials live; connections made afterwards use
// what they then hold. What cannot be read changes nothing; but a key and a certificate that do not
// fit are taken as well, and every handshake fails until they do. A look that falls between the
// replacement of one and that of the other finds just that, unless both change at once
// (docs/security.md).
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const Config& config);

}  // namespace homolog::app

#endif  // HOMOLOG_SERVER_APP_TRANSPORT_H_
