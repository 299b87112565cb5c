#include "server/operations/study_request.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "server/operations/neuron_sets.h"
#include "server/operations/stored_tokens.h"
#include "server/results/neuron_request.h"
#include "server/results/request_digest.h"

namespace homolog::operations {
namespace {

// A change that changes a number of a study, and not of its parts, changes this.
constexpr std::string_view kAlgorithm = "study/1";
constexpr double kPublishedThresholds[] = {0.4, 0.5, 0.6};

absl::Status CheckModels(const Limits& limits, const v1::RunStudyRequest& request) {
  const int count = request.models_size();
  if (count < 2) {
    return InvalidArgument(
        "TOO_FEW_MODELS",
        absl::StrCat("models names ", count, "; a study compares 2 to ", limits.study_models,
                     " models: neurons of one model alone cannot be universal"));
  }
  if (count > limits.study_models) {
    return InvalidArgument("TOO_MANY_MODELS",
                           absl::StrCat(count, " models; at most ", limits.study_models));
  }
  std::set<std::string> seen;
  for (const std::string& model : request.models()) {
    HOMOLOG_RETURN_IF_ERROR(ParseName(kModels, model).status());
    if (!seen.insert(model).second) {
      return InvalidArgument("DUPLICATE_MODEL",
                             absl::StrCat("model ", model, " stands twice; name each once"));
    }
  }
  return absl::OkStatus();
}

// "main" comes after all numbers.
bool ComesBefore(const std::string& a, const std::string& b) {
  int64_t x = 0, y = 0;
  const bool a_is_number = absl::SimpleAtoi(a, &x), b_is_number = absl::SimpleAtoi(b, &y);
  if (a_is_number != b_is_number) return a_is_number;
  return a_is_number && x != y ? x < y : a < b;
}

absl::StatusOr<std::vector<std::string>> ReadSteps(const Limits& limits,
                                                   const v1::RunStudyRequest& request) {
  if (request.steps().empty()) {
    return InvalidArgument("NO_STEPS",
                           absl::StrCat("steps is empty; name 1 to ", limits.study_steps,
                                        " training steps, or \"main\""));
  }
  if (request.steps_size() > limits.study_steps ||
      int64_t{request.steps_size()} * request.models_size() > limits.study_checkpoints) {
    return InvalidArgument("TOO_MANY_STEPS",
                           absl::StrCat(request.steps_size(), " steps of ", request.models_size(),
                                        " models; at most ", limits.study_steps, " steps and ",
                                        limits.study_checkpoints, " checkpoints in all"));
  }
  std::vector<std::string> steps(request.steps().begin(), request.steps().end());
  std::sort(steps.begin(), steps.end(), ComesBefore);
  if (const auto twice = std::adjacent_find(steps.begin(), steps.end()); twice != steps.end()) {
    return InvalidArgument("DUPLICATE_STEP",
                           absl::StrCat("step ", *twice, " stands twice; name each once"));
  }
  return steps;
}

absl::Status ReadThresholds(const Limits& limits, const v1::RunStudyRequest& request,
                            v1::Study& study) {
  study.mutable_thresholds()->Assign(request.thresholds().begin(), request.thresholds().end());
  if (study.thresholds().empty()) {
    study.mutable_thresholds()->Assign(std::begin(kPublishedThresholds),
                                       std::end(kPublishedThresholds));
  }
  const auto& thresholds = study.thresholds();
  if (thresholds.size() > limits.study_thresholds) {
    return InvalidArgument(
        "INVALID_THRESHOLD",
        absl::StrCat(thresholds.size(), " thresholds; at most ", limits.study_thresholds));
  }
  const int64_t checkpoints = int64_t{study.models_size()} * study.steps_size();
  if (checkpoints * thresholds.size() > limits.study_classifications) {
    return InvalidArgument(
        "INVALID_THRESHOLD",
        absl::StrCat(thresholds.size(), " thresholds of ", checkpoints, " checkpoints; at most ",
                     limits.study_classifications / checkpoints,
                     " thresholds of so many checkpoints"));
  }
  for (int i = 0; i < thresholds.size(); ++i) {
    HOMOLOG_RETURN_IF_ERROR(results::CheckThreshold(thresholds[i]).status());
    if (i > 0 && thresholds[i] <= thresholds[i - 1]) {
      return InvalidArgument(
          "INVALID_THRESHOLD",
          absl::StrCat("threshold ", thresholds[i], " follows ", thresholds[i - 1],
                       "; thresholds must ascend, none twice"));
    }
  }
  auto is_one = [&](double value) {
    return std::find(thresholds.begin(), thresholds.end(), value) != thresholds.end();
  };
  study.set_main_threshold(request.has_main_threshold() ? request.main_threshold()
                           : is_one(results::kDefaultThreshold)
                               ? results::kDefaultThreshold
                               : thresholds[thresholds.size() / 2]);
  if (is_one(study.main_threshold())) return absl::OkStatus();
  return InvalidArgument("INVALID_THRESHOLD",
                         absl::StrCat("main_threshold is ", study.main_threshold(),
                                      "; must be one of ", absl::StrJoin(thresholds, ", ")));
}

absl::Status ReadAblation(const Limits& limits, const v1::RunStudyRequest& request,
                          StudyInputs& inputs) {
  v1::StudyAblation& ablation = *inputs.study.mutable_ablation();
  if (request.ablation().skip()) {
    ablation.set_skip(true);
    if (google::protobuf::util::MessageDifferencer::Equals(ablation, request.ablation())) {
      return absl::OkStatus();
    }
    return InvalidArgument("INVALID_PARAMETER",
                           absl::StrCat("ablation is {", request.ablation().ShortDebugString(),
                                        "}; skip leaves all ablations out: set nothing beside it"),
                           {{"field", "ablation"}});
  }
  ablation = request.ablation();
  const std::optional<double> value =
      ablation.has_value() ? std::optional(ablation.value()) : std::nullopt;
  HOMOLOG_ASSIGN_OR_RETURN(inputs.method, ValidateMethod(ablation.kind(), value, ablation.seed()));
  ablation.set_kind(inputs.method.kind);
  if (ablation.draws() < 0 || ablation.draws() > limits.draws) {
    return InvalidArgument("INVALID_DRAWS",
                           absl::StrCat("ablation.draws is ", ablation.draws(), "; must be 0 (",
                                        kDefaultDraws, ") to ", limits.draws));
  }
  if (ablation.draws() == 0) ablation.set_draws(kDefaultDraws);
  return absl::OkStatus();
}

absl::Status CheckLength(const v1::Dataset& dataset, bool ablates) {
  if (dataset.sequence_count() >= 1 && (dataset.sequence_length() >= 2 || !ablates)) {
    return absl::OkStatus();
  }
  return InvalidArgument(
      "DATASET_TOO_SHORT",
      absl::StrCat(dataset.name(), " has ", dataset.sequence_count(), " sequences of ",
                   dataset.sequence_length(),
                   " tokens; a study needs at least 1, of at least 2 tokens where it ablates"));
}

// The data sets, with what the study says of them.
absl::Status ReadDatasets(const AnalysisContext& context, const v1::RunStudyRequest& request,
                          StudyInputs& inputs) {
  v1::Study& study = inputs.study;
  HOMOLOG_ASSIGN_OR_RETURN(inputs.dataset, ReadDataset(*context.store, request.dataset()));
  HOMOLOG_RETURN_IF_ERROR(CheckLength(inputs.dataset, /*ablates=*/false));
  study.set_dataset(inputs.dataset.name());
  study.set_dataset_sha256(inputs.dataset.sha256());
  study.set_sequence_length(inputs.dataset.sequence_length());
  study.set_sequence_count(inputs.dataset.sequence_count());
  study.set_token_count(inputs.dataset.token_count());
  if (study.ablation().skip()) return absl::OkStatus();
  if (study.ablation().dataset().empty()) study.mutable_ablation()->set_dataset(request.dataset());
  HOMOLOG_ASSIGN_OR_RETURN(inputs.ablation_dataset,
                           ReadDataset(*context.store, study.ablation().dataset()));
  study.set_ablation_dataset_sha256(inputs.ablation_dataset.sha256());
  study.set_ablation_sequence_length(inputs.ablation_dataset.sequence_length());
  study.set_ablation_sequence_count(inputs.ablation_dataset.sequence_count());
  return CheckLength(inputs.ablation_dataset, /*ablates=*/true);
}

// Everything that is missing, in one message.
absl::Status CheckSteps(const AnalysisContext& context, const v1::Study& study) {
  std::vector<std::string> missing;
  for (const std::string& model : study.models()) {
    std::vector<std::string> steps;
    for (const std::string& step : study.steps()) {
      HOMOLOG_ASSIGN_OR_RETURN(const CheckpointName name,
                               CheckpointName::Parse(absl::StrCat(model, "/checkpoints/", step)));
      const absl::Status status = context.registry->Describe(name).status();
      if (absl::IsNotFound(status)) {
        steps.push_back(step);
      } else {
        HOMOLOG_RETURN_IF_ERROR(status);
      }
    }
    if (!steps.empty())
      missing.push_back(absl::StrCat(model, " lacks ", absl::StrJoin(steps, ", ")));
  }
  if (missing.empty()) return absl::OkStatus();
  return NotFound("CHECKPOINT_NOT_FOUND",
                  absl::StrCat("every model must have every step: ", absl::StrJoin(missing, "; ")));
}

v1::ComputeCorrelationsRequest CorrelationRequest(const StudyInputs& inputs,
                                                  const std::vector<std::string>& checkpoints,
                                                  v1::Pairing pairing) {
  v1::ComputeCorrelationsRequest request;
  request.set_reference(checkpoints.front());
  request.mutable_partners()->Assign(checkpoints.begin() + 1, checkpoints.end());
  request.set_dataset(inputs.dataset.name());
  *request.mutable_parameters() = inputs.study.parameters();
  request.mutable_parameters()->set_pairing(pairing);
  request.set_every_reference(true);
  return request;
}

std::string CheckpointOf(const StudyInputs& inputs, int model, int step) {
  return absl::StrCat(inputs.study.models(model), "/checkpoints/", inputs.study.steps(step));
}

std::vector<std::string> AllAt(const StudyInputs& inputs, int step) {
  std::vector<std::string> checkpoints;
  for (int model = 0; model < inputs.study.models_size(); ++model) {
    checkpoints.push_back(CheckpointOf(inputs, model, step));
  }
  return checkpoints;
}

absl::Status AddCorrelations(const AnalysisContext& context, StudyInputs& inputs) {
  const int steps = inputs.study.steps_size(), models = inputs.study.models_size();
  auto validate = [&](const std::vector<std::string>& checkpoints, v1::Pairing pairing) {
    return ValidateCorrelation(context, CorrelationRequest(inputs, checkpoints, pairing));
  };
  for (int step = 0; step < steps; ++step) {
    HOMOLOG_ASSIGN_OR_RETURN(CorrelationInputs correlation,
                             validate(AllAt(inputs, step), v1::PAIRING_BEST));
    inputs.by_step.push_back(std::move(correlation));
  }
  for (int model = 0; model < models; ++model) {
    std::vector<CorrelationInputs>& between = inputs.between_steps.emplace_back();
    for (int step = 0; step + 1 < steps; ++step) {
      HOMOLOG_ASSIGN_OR_RETURN(
          CorrelationInputs correlation,
          validate({CheckpointOf(inputs, model, step), CheckpointOf(inputs, model, step + 1)},
                   v1::PAIRING_BEST));
      between.push_back(std::move(correlation));
    }
  }
  if (inputs.study.same_index()) {
    HOMOLOG_ASSIGN_OR_RETURN(inputs.same_index,
                             validate(AllAt(inputs, steps - 1), v1::PAIRING_SAME_INDEX));
  }
  *inputs.study.mutable_parameters() = inputs.by_step[0].parameters;
  return absl::OkStatus();
}

void AddCheckpoints(StudyInputs& inputs) {
  for (int model = 0; model < inputs.study.models_size(); ++model) {
    std::vector<checkpoints::CheckpointInfo>& of_model = inputs.checkpoints.emplace_back();
    for (const CorrelationInputs& correlation : inputs.by_step) {
      of_model.push_back(correlation.checkpoints[static_cast<size_t>(model)]);
      *inputs.study.add_checkpoints() = ResultCheckpointProto(of_model.back());
    }
  }
}

// A neuron keeps its place over a model's training.
absl::Status CheckSteadyShapes(const StudyInputs& inputs) {
  for (const std::vector<checkpoints::CheckpointInfo>& of_model : inputs.checkpoints) {
    const engine::ModelShape& first = of_model[0].description->shape;
    for (const checkpoints::CheckpointInfo& checkpoint : of_model) {
      const engine::ModelShape& shape = checkpoint.description->shape;
      if (shape.layers == first.layers && shape.d_mlp == first.d_mlp) continue;
      return InvalidArgument(
          "SHAPE_MISMATCH",
          absl::StrCat("all steps of a model must have equal shapes: ", of_model[0].name.ToString(),
                       " has ", first.layers, " layers of ", first.d_mlp, " neurons, ",
                       checkpoint.name.ToString(), " has ", shape.layers, " of ", shape.d_mlp));
    }
  }
  return absl::OkStatus();
}

// The correlations have done so for the study's data set.
absl::Status CheckAblationDataset(const AnalysisContext& context, const StudyInputs& inputs) {
  if (inputs.study.ablation().skip()) return absl::OkStatus();
  for (const std::vector<checkpoints::CheckpointInfo>& of_model : inputs.checkpoints) {
    for (const checkpoints::CheckpointInfo& checkpoint : of_model) {
      HOMOLOG_RETURN_IF_ERROR(CheckFits(context, checkpoint, inputs.ablation_dataset));
    }
  }
  return absl::OkStatus();
}

std::string StudyId(const StudyInputs& inputs) {
  const v1::Study& study = inputs.study;
  results::RequestDigest digest(kAlgorithm);
  for (const std::string& model : study.models()) digest.Add("model", model);
  for (const std::string& step : study.steps()) digest.Add("step", step);
  // A correlation's name stands for checkpoints, data set and parameters.
  auto add = [&](const CorrelationInputs& correlation) {
    for (const std::string& id : correlation.ids) digest.Add("correlation", id);
  };
  for (const CorrelationInputs& correlation : inputs.by_step) add(correlation);
  if (inputs.same_index) add(*inputs.same_index);
  digest.Add("rule", v1::UniversalityRule_Name(study.rule()));
  for (const double threshold : study.thresholds()) digest.Add("threshold", threshold);
  digest.Add("main_threshold", study.main_threshold());
  const v1::StudyAblation& ablation = study.ablation();
  if (ablation.skip()) return digest.Finish();
  digest.Add("ablation", v1::AblationKind_Name(ablation.kind()))
      .Add("ablation_dataset", inputs.ablation_dataset.sha256())
      .Add("draws", static_cast<int64_t>(ablation.draws()))
      .Add("seed", static_cast<uint64_t>(ablation.seed()));
  if (ablation.has_value()) digest.Add("value", ablation.value());
  return digest.Finish();
}

v1::NeuronSet CompleteSet(v1::StudySet set, const v1::UniversalNeurons& universal,
                          const v1::StudyAblation& ablation) {
  v1::NeuronSet neurons;
  v1::RandomNeurons random;
  *random.mutable_universal() = universal;
  random.set_draws(ablation.draws());
  random.set_seed(ablation.seed());
  switch (set) {
    case v1::STUDY_SET_UNIVERSAL:
      *neurons.mutable_universal() = universal;
      break;
    case v1::STUDY_SET_OTHERS:
      *neurons.mutable_others() = universal;
      break;
    case v1::STUDY_SET_RANDOM:
      *neurons.mutable_random() = random;
      break;
    default:
      *neurons.mutable_random_layer_matched() = random;
  }
  return neurons;
}

}  // namespace

std::vector<StudyAblationRequest> AblationsOf(const StudyInputs& inputs, size_t model,
                                              size_t step) {
  std::vector<StudyAblationRequest> ablations;
  const v1::Study& study = inputs.study;
  if (study.ablation().skip()) return ablations;
  for (const double threshold : study.thresholds()) {
    v1::UniversalNeurons universal;
    universal.set_correlation(FormatName(kCorrelations, inputs.by_step[step].ids[model]));
    universal.set_threshold(threshold);
    universal.set_rule(study.rule());
    auto add = [&](v1::StudySet set, v1::AblationScope scope) {
      ablations.push_back({threshold, set, scope, CompleteSet(set, universal, study.ablation())});
    };
    for (const v1::StudySet set : {v1::STUDY_SET_UNIVERSAL, v1::STUDY_SET_OTHERS,
                                   v1::STUDY_SET_RANDOM, v1::STUDY_SET_RANDOM_LAYER_MATCHED}) {
      add(set, v1::ABLATION_SCOPE_WHOLE_MODEL);
    }
    if (threshold != study.main_threshold()) continue;
    add(v1::STUDY_SET_UNIVERSAL, v1::ABLATION_SCOPE_PER_LAYER);
    add(v1::STUDY_SET_RANDOM_LAYER_MATCHED, v1::ABLATION_SCOPE_PER_LAYER);
  }
  return ablations;
}

absl::StatusOr<StudyInputs> ValidateStudy(const AnalysisContext& context,
                                          const v1::RunStudyRequest& request) {
  StudyInputs inputs;
  v1::Study& study = inputs.study;
  HOMOLOG_RETURN_IF_ERROR(CheckModels(context.limits, request));
  *study.mutable_models() = request.models();
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<std::string> steps,
                           ReadSteps(context.limits, request));
  study.mutable_steps()->Assign(steps.begin(), steps.end());
  HOMOLOG_RETURN_IF_ERROR(ReadThresholds(context.limits, request, study));
  HOMOLOG_RETURN_IF_ERROR(results::RuleOf(request.rule()).status());
  study.set_rule(request.rule() == v1::UNIVERSALITY_RULE_UNSPECIFIED ? v1::UNIVERSALITY_RULE_MEAN
                                                                     : request.rule());
  if (request.parameters().pairing() != v1::PAIRING_UNSPECIFIED &&
      request.parameters().pairing() != v1::PAIRING_BEST) {
    return InvalidArgument("INVALID_PAIRING",
                           "a study pairs each neuron with its best partner; leave "
                           "parameters.pairing out and set same_index for the other pairing "
                           "beside it");
  }
  HOMOLOG_RETURN_IF_ERROR(ReadAblation(context.limits, request, inputs));
  HOMOLOG_RETURN_IF_ERROR(CheckSteps(context, study));
  HOMOLOG_RETURN_IF_ERROR(ReadDatasets(context, request, inputs));
  *study.mutable_parameters() = request.parameters();
  study.set_same_index(request.same_index());
  HOMOLOG_RETURN_IF_ERROR(AddCorrelations(context, inputs));
  AddCheckpoints(inputs);
  HOMOLOG_RETURN_IF_ERROR(CheckSteadyShapes(inputs));
  HOMOLOG_RETURN_IF_ERROR(CheckAblationDataset(context, inputs));
  study.set_name(FormatName(kStudies, StudyId(inputs)));
  return inputs;
}

}  // namespace homolog::operations
