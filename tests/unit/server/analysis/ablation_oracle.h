// Ablation as docs/definitions.md has it, the long way, in float64: softmax by its formula,
// position by position. Nothing here uses the code under test, except random.h, which says what is
// random.
#ifndef HOMOLOG_TESTS_UNIT_SERVER_ANALYSIS_ABLATION_ORACLE_H_
#define HOMOLOG_TESTS_UNIT_SERVER_ANALYSIS_ABLATION_ORACLE_H_

#include "fake_model.h"
#include "server/analysis/ablation.h"

namespace homolog::analysis {

// Every number of replacing the activations of `set`; the loss of the empty set is the clean loss.
AblationEffect AblationByTheBook(const FakeModel& model, const NeuronSet& set,
                                 const FakeTokens& tokens, const AblationOptions& options = {});

}  // namespace homolog::analysis

#endif  // HOMOLOG_TESTS_UNIT_SERVER_ANALYSIS_ABLATION_ORACLE_H_
