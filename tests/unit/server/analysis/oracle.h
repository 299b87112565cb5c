// docs/definitions.md computed the long way, in float64: two-pass Pearson correlation,
// activations rotated position by position. Nothing here uses the code
// under test, except RandomMatrix, which says what the random matrices are.
#ifndef HOMOLOG_TESTS_UNIT_SERVER_ANALYSIS_ORACLE_H_
#define HOMOLOG_TESTS_UNIT_SERVER_ANALYSIS_ORACLE_H_

#include <cstdint>
#include <vector>

#include "distribution_oracle.h"
#include "fake_model.h"
#include "server/analysis/correlation.h"

namespace homolog::analysis {

Columns ActivationColumns(const FakeModel& model, engine::Site site, const FakeTokens& tokens,
                          const std::vector<int64_t>& excluded);

bool Constant(const std::vector<double>& column);

// Mean 0 and length 1, so that a dot product is Pearson's correlation; 0 where constant.
Columns Standardised(Columns columns);

double Dot(const std::vector<double>& a, const std::vector<double>& b);

// Rotation number `rotation` of all layers, position by position.
Columns RotatedColumns(const Columns& columns, const engine::ModelShape& shape,
                       const CorrelationOptions& options, int64_t rotation);

// Compares every number of `result` with what the definitions say. `tolerance` holds for every
// correlation.
void ExpectMatchesTheOracle(const CorrelationResult& result, const FakeModel& reference,
                            const std::vector<const FakeModel*>& partners, const FakeTokens& tokens,
                            const CorrelationOptions& options, double tolerance = 1e-5);

// Computes correlations both ways and compares every number. `tolerance` holds for every
// correlation. Returns the result for further checks.
CorrelationResult ExpectCorrelationsMatchTheOracle(const FakeModel& reference,
                                                   const std::vector<const FakeModel*>& partners,
                                                   const FakeTokens& tokens,
                                                   const CorrelationOptions& options,
                                                   double tolerance = 1e-5);

}  // namespace homolog::analysis

#endif  // HOMOLOG_TESTS_UNIT_SERVER_ANALYSIS_ORACLE_H_
