// Who can reach the server, and whether that is what its operator wants.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_APP_EXPOSURE_H_
#define HOMOLOG_SERVER_APP_EXPOSURE_H_

#include "absl/status/status.h"
#include "server/app/config.h"

namespace homolog::app {

// Whether others than this machine reach --listen and nobody keeps the door: there is no TLS, or
// neither tokens nor client certificates.
bool IsExposed(const Config& config);

// INVALID_ARGUMENT (reason INVALID_FLAG): the flags of TLS do not fit together; or the server
// IsExposed without --insecure, with what is missing.
absl::Status CheckExposure(const Config& config);

}  // namespace homolog::app

#endif  // HOMOLOG_SERVER_APP_EXPOSURE_H_
