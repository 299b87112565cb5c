// What a load has shown, as text.
//
// Thread-safety: one thread at a time.
#ifndef HOMOLOG_CLIENT_CLI_LOAD_REPORT_H_
#define HOMOLOG_CLIENT_CLI_LOAD_REPORT_H_

#include "absl/status/status.h"
#include "client/cli/load_run.h"
#include "client/cli/session.h"

namespace homolog::cli {

// Prints a line per kind of call that was made, one for all of them and, for people in a table of
// their own, the errors.
void PrintLoad(Session& session, const LoadOptions& options, const LoadResult& result);

// Where calls failed, an error with the code that most of these had (reason CALLS_FAILED);
// UNAVAILABLE (NO_CALL_MADE) where there was no call at all.
absl::Status CallsStatus(const LoadResult& result);

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_LOAD_REPORT_H_
