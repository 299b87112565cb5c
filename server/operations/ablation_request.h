// A RunAblation request, validated and complete.
//
// Thread-safety: pure functions; registry and store are thread-safe.
#ifndef HOMOLOG_SERVER_OPERATIONS_ABLATION_REQUEST_H_
#define HOMOLOG_SERVER_OPERATIONS_ABLATION_REQUEST_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "homolog/v1/analysis_service.pb.h"
#include "server/analysis/ablation.h"
#include "server/operations/analysis_inputs.h"
#include "server/operations/neuron_sets.h"

namespace homolog::operations {

// One result: a set, ablated at once or layer by layer.
struct AblatedSet {
  ResolvedNeurons neurons;
  v1::AblationScope scope = v1::ABLATION_SCOPE_WHOLE_MODEL;
  std::string id;  // of the result
};

// A checkpoint and what is ablated in it.
struct AblationTarget {
  checkpoints::CheckpointInfo checkpoint;
  std::vector<AblatedSet> sets;
};

// How the activations of all sets are replaced.
struct AblationMethod {
  v1::AblationKind kind = v1::ABLATION_KIND_ZERO;
  std::optional<double> value;
  uint64_t seed = 0;

  analysis::AblationOptions options() const;
};

struct AblationInputs {
  v1::Dataset dataset;
  AblationMethod method;
  std::vector<AblationTarget> targets;
};

// INVALID_ARGUMENT (reason INVALID_PARAMETER, INVALID_VALUE).
absl::StatusOr<AblationMethod> ValidateMethod(v1::AblationKind kind, std::optional<double> value,
                                              uint64_t seed);

// The name of the result of a complete set.
std::string AblationId(const checkpoints::CheckpointInfo& checkpoint, const v1::Dataset& dataset,
                       const AblationMethod& method, const v1::NeuronSet& complete,
                       v1::AblationScope scope);

// Errors as analysis_service.proto says.
absl::StatusOr<AblationInputs> ValidateAblation(const AnalysisContext& context,
                                                const v1::RunAblationRequest& request);

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_ABLATION_REQUEST_H_
