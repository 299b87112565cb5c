// A study and all its parts, fetched from the server, as the JSON that the report is made of.
//
// Thread-safety: as the client's.
#ifndef HOMOLOG_CLIENT_CLI_STUDY_DATA_H_
#define HOMOLOG_CLIENT_CLI_STUDY_DATA_H_

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "client/cpp/client.h"

namespace homolog::cli {

// Told how many of how many parts have been fetched.
using FetchProgress = std::function<void(int64_t done, int64_t total)>;

// Everything of studies/{study} in the form that client/report/study_shape.cc describes. version:
// of the program that writes the report. Errors are the server's.
absl::StatusOr<nlohmann::json> FetchStudy(client::Client& client, const std::string& name,
                                          const std::string& version,
                                          const FetchProgress& on_progress);

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_STUDY_DATA_H_
