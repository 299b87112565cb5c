// The flags of the limits (common/limits.h): --limit-NAME for each, --queue-limit for `queue`.
//
// Thread-safety: as absl's flags: read after the command line was parsed.
#ifndef HOMOLOG_SERVER_APP_LIMITS_FLAGS_H_
#define HOMOLOG_SERVER_APP_LIMITS_FLAGS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/limits.h"

namespace homolog::app {

// The limits that the flags say. INVALID_ARGUMENT (reason INVALID_FLAG) naming the flag and its
// range for a value outside of it.
absl::StatusOr<Limits> ReadLimits();

// The flag of the limit `name`, without dashes in front: "limit-partners". "" where there is none.
std::string FlagOfLimit(const std::string& name);

}  // namespace homolog::app

#endif  // HOMOLOG_SERVER_APP_LIMITS_FLAGS_H_
