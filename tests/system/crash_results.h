// Results as the crash test compares them: by a digest of all that the server gives of them.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_TESTS_SYSTEM_CRASH_RESULTS_H_
#define HOMOLOG_TESTS_SYSTEM_CRASH_RESULTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/client.h"

namespace homolog::testing {

// SHA-256 of the manifest of a correlation, an ablation or a study, of a correlation with its table
// of neurons. The server's error, NOT_FOUND included.
absl::StatusOr<std::string> DigestOfResult(client::Client& client, const std::string& name);

// The results that an operation that succeeded has.
std::vector<std::string> ResultsOf(const v1::Operation& operation);

}  // namespace homolog::testing

#endif  // HOMOLOG_TESTS_SYSTEM_CRASH_RESULTS_H_
