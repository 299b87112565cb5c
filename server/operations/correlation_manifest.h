// What a stored correlation says of itself besides its columns.
//
// Thread-safety: pure function.
#ifndef HOMOLOG_SERVER_OPERATIONS_CORRELATION_MANIFEST_H_
#define HOMOLOG_SERVER_OPERATIONS_CORRELATION_MANIFEST_H_

#include <cstddef>
#include <optional>
#include <string>

#include "homolog/v1/correlation.pb.h"
#include "server/analysis/correlation_result.h"
#include "server/operations/correlation_request.h"
#include "server/operations/timing.h"

namespace homolog::operations {

// What the correlations of one operation have in common.
struct Computation {
  const CorrelationInputs& inputs;
  const std::string& operation;
  std::optional<v1::CorrelationPlan> plan;  // of what was computed, if anything was
  Stopwatch stopwatch;
};

// Of the result whose reference is checkpoint number `reference`; it is whole.
v1::Correlation CorrelationManifest(const Computation& computation, size_t reference,
                                    const analysis::CorrelationResult& result);

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_CORRELATION_MANIFEST_H_
