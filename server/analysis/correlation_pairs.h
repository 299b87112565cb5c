// Which pairs of models a correlation multiplies, and so which models run.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_ANALYSIS_CORRELATION_PAIRS_H_
#define HOMOLOG_SERVER_ANALYSIS_CORRELATION_PAIRS_H_

#include <cstdint>
#include <set>
#include <vector>

#include "server/analysis/correlation_options.h"

namespace homolog::analysis {

// Whether the model has a result of its own.
bool IsReference(const CorrelationOptions& options, int64_t model);

// Of `models` models, those with a reference among the two that are not known, in ascending order.
std::vector<ModelPair> MultipliedPairs(const CorrelationOptions& options, int64_t models);

// The models of those pairs.
std::set<int64_t> RunningModels(const CorrelationOptions& options, int64_t models);

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_CORRELATION_PAIRS_H_
