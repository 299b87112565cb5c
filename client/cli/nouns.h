// The command line's nouns. Each function adds one noun with its verbs to `app`; parsing a verb
// puts into `chosen` what it does. `chosen` must outlive `app`.
//
// Thread-safety: one thread at a time.
#ifndef HOMOLOG_CLIENT_CLI_NOUNS_H_
#define HOMOLOG_CLIENT_CLI_NOUNS_H_

#include "client/cli/session.h"

namespace CLI {
class App;
}  // namespace CLI

namespace homolog::cli {

void AddCheckpoints(CLI::App& app, Action& chosen);
void AddDatasets(CLI::App& app, Action& chosen);
void AddActivations(CLI::App& app, Action& chosen);
void AddCorrelations(CLI::App& app, Action& chosen);
void AddNeurons(CLI::App& app, Action& chosen);
void AddAblations(CLI::App& app, Action& chosen);
void AddStudies(CLI::App& app, Action& chosen);
void AddOperations(CLI::App& app, Action& chosen);
void AddStore(CLI::App& app, Action& chosen);
void AddBench(CLI::App& app, Action& chosen);

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_NOUNS_H_
