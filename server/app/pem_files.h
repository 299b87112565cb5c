// The files of TLS, held against each other before the server starts: gRPC would say of a wrong one
// only that a handshake failed. It is gRPC that reads them again when they change, and it holds
// nothing against anything: see transport.h.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_APP_PEM_FILES_H_
#define HOMOLOG_SERVER_APP_PEM_FILES_H_

#include <string>

#include "absl/status/status.h"

namespace homolog::app {

// INVALID_ARGUMENT (reason INVALID_FLAG), naming flag and file, unless `cert` holds a chain of
// certificates whose first is valid now, and `key` its private key, without a pass phrase.
absl::Status CheckServerCertificate(const std::string& cert, const std::string& key);

// The same unless `ca` holds at least one certificate and the validity of none has passed.
absl::Status CheckClientCa(const std::string& ca);

}  // namespace homolog::app

#endif  // HOMOLOG_SERVER_APP_PEM_FILES_H_
