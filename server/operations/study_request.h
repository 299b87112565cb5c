// A RunStudy request, validated and complete.
//
// Thread-safety: pure functions; registry and store are thread-safe.
#ifndef HOMOLOG_SERVER_OPERATIONS_STUDY_REQUEST_H_
#define HOMOLOG_SERVER_OPERATIONS_STUDY_REQUEST_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "homolog/v1/analysis_service.pb.h"
#include "homolog/v1/study.pb.h"
#include "server/operations/ablation_request.h"
#include "server/operations/analysis_inputs.h"
#include "server/operations/correlation_request.h"

namespace homolog::operations {

struct StudyInputs {
  // What is asked, complete: models, steps, checkpoints, parameters; no parts.
  v1::Study study;
  v1::Dataset dataset;                                                // of the correlations
  v1::Dataset ablation_dataset;                                       // often the same
  std::vector<std::vector<checkpoints::CheckpointInfo>> checkpoints;  // [model, step]
  // All models, each the reference in turn.
  std::vector<CorrelationInputs> by_step;
  // Each model with itself at the next step, both the reference in turn: [model, first step].
  std::vector<std::vector<CorrelationInputs>> between_steps;
  std::optional<CorrelationInputs> same_index;  // at the last step
  AblationMethod method;
};

// Errors as analysis_service.proto says.
absl::StatusOr<StudyInputs> ValidateStudy(const AnalysisContext& context,
                                          const v1::RunStudyRequest& request);

// One ablation that a study asks for, complete.
struct StudyAblationRequest {
  double threshold = 0;
  v1::StudySet set = v1::STUDY_SET_UNSPECIFIED;
  v1::AblationScope scope = v1::ABLATION_SCOPE_WHOLE_MODEL;
  v1::NeuronSet neurons;
};

// All ablations of model number `model` at step number `step`; none where the study skips them.
std::vector<StudyAblationRequest> AblationsOf(const StudyInputs& inputs, size_t model, size_t step);

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_STUDY_REQUEST_H_
