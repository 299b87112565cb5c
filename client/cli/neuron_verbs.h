// The verbs of the noun "neurons" that have files of their own.
//
// Thread-safety: one thread at a time.
#ifndef HOMOLOG_CLIENT_CLI_NEURON_VERBS_H_
#define HOMOLOG_CLIENT_CLI_NEURON_VERBS_H_

#include "client/cli/session.h"

namespace CLI {
class App;
}  // namespace CLI

namespace homolog::cli {

void AddNeuronsShow(CLI::App* noun, Action& chosen);
void AddNeuronsTable(CLI::App* noun, Action& chosen);

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_NEURON_VERBS_H_
