// Who can reach the server, and whether that is what its operator wants.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_APP_EXPOSURE_H_
#define HOMOLOG_SERVER_APP_EXPOSURE_H_

#include <string>

#include "absl/status/status.h"
#include "server/app/config.h"

namespace homolog::app {

// INVALID_ARGUMENT (reason INVALID_FLAG): the flags of TLS do not fit together; or the server is
// exposed without --insecure. It is exposed where others than this machine reach --listen and
// nobody keeps the door: there is no TLS, or there are neither tokens nor client certificates. The
// message says which of these is missing.
absl::Status CheckExposure(const Config& config);

// For the log of a server that is exposed because --insecure says so: what is missing, and what
// that lets others do. "" where it is not exposed.
std::string ExposureWarning(const Config& config);

}  // namespace homolog::app

#endif  // HOMOLOG_SERVER_APP_EXPOSURE_H_
