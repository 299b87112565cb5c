#include "server/operations/correlation_request.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/analysis/correlation_plan.h"
#include "server/analysis/products.h"
#include "server/operations/stored_tokens.h"
#include "server/results/request_digest.h"

namespace homolog::operations {
namespace {

// A change that changes a number of a result changes this.
constexpr std::string_view kAlgorithm = "correlation/3";

absl::Status InvalidEnum(const char* field, int value, const char* right) {
  return InvalidArgument("INVALID_PARAMETER",
                         absl::StrCat(field, " is ", value, "; must be ", right),
                         {{"field", field}});
}

absl::Status ReadEnums(v1::CorrelationParameters& parameters,
                       analysis::CorrelationOptions& options) {
  if (parameters.site() == v1::SITE_UNSPECIFIED) parameters.set_site(v1::SITE_MLP_POST);
  if (parameters.pairing() == v1::PAIRING_UNSPECIFIED) parameters.set_pairing(v1::PAIRING_BEST);
  if (parameters.baseline() == v1::BASELINE_UNSPECIFIED) {
    parameters.set_baseline(v1::BASELINE_GAUSSIAN);
  }
  if (parameters.precision() == v1::PRECISION_UNSPECIFIED) {
    parameters.set_precision(v1::PRECISION_FLOAT32);
  }
  if (!v1::Site_IsValid(parameters.site())) {
    return InvalidEnum("site", parameters.site(), "MLP_POST or MLP_PRE");
  }
  if (!v1::Pairing_IsValid(parameters.pairing())) {
    return InvalidEnum("pairing", parameters.pairing(), "BEST or SAME_INDEX");
  }
  if (!v1::Baseline_IsValid(parameters.baseline())) {
    return InvalidEnum("baseline", parameters.baseline(), "GAUSSIAN or ORTHOGONAL");
  }
  if (!v1::Precision_IsValid(parameters.precision())) {
    return InvalidEnum("precision", parameters.precision(), "FLOAT32, BFLOAT16 or TF32");
  }
  options.site =
      parameters.site() == v1::SITE_MLP_PRE ? engine::Site::kMlpPre : engine::Site::kMlpPost;
  options.pairing = parameters.pairing() == v1::PAIRING_SAME_INDEX ? analysis::Pairing::kSameIndex
                                                                   : analysis::Pairing::kBest;
  options.baseline = parameters.baseline() == v1::BASELINE_ORTHOGONAL
                         ? analysis::BaselineKind::kOrthogonal
                         : analysis::BaselineKind::kGaussian;
  options.precision =
      parameters.precision() == v1::PRECISION_BFLOAT16 ? analysis::Precision::kBfloat16
      : parameters.precision() == v1::PRECISION_TF32   ? analysis::Precision::kTf32
                                                       : analysis::Precision::kFloat32;
  return absl::OkStatus();
}

absl::Status ReadExcludedIds(const Limits& limits, int64_t vocabulary,
                             v1::CorrelationParameters& parameters,
                             analysis::CorrelationOptions& options) {
  if (parameters.excluded_token_ids_size() > limits.excluded_token_ids) {
    return InvalidArgument("INVALID_TOKEN_ID", absl::StrCat(parameters.excluded_token_ids_size(),
                                                            " excluded token ids; at most ",
                                                            limits.excluded_token_ids));
  }
  std::set<int64_t> ids;
  for (const int32_t id : parameters.excluded_token_ids()) {
    if (id < 0 || id >= vocabulary) {
      return InvalidArgument("INVALID_TOKEN_ID", absl::StrCat("excluded token id ", id,
                                                              " is outside the vocabulary; must "
                                                              "be 0 to ",
                                                              vocabulary - 1));
    }
    ids.insert(id);
  }
  options.excluded_token_ids.assign(ids.begin(), ids.end());
  parameters.clear_excluded_token_ids();  // ascending, none twice: equal requests look equal
  for (const int64_t id : ids) parameters.add_excluded_token_ids(static_cast<int32_t>(id));
  return absl::OkStatus();
}

absl::Status ReadParameters(const Limits& limits, CorrelationInputs& inputs) {
  inputs.parameters = inputs.request.parameters();
  v1::CorrelationParameters& parameters = inputs.parameters;
  HOMOLOG_RETURN_IF_ERROR(ReadEnums(parameters, inputs.options));
  if (parameters.rotations() < 0 || parameters.rotations() > limits.rotations) {
    return InvalidArgument("INVALID_ROTATIONS",
                           absl::StrCat("rotations is ", parameters.rotations(),
                                        "; must be 0 (1) to ", limits.rotations));
  }
  if (parameters.rotations() == 0) parameters.set_rotations(1);
  inputs.options.rotations = parameters.rotations();
  inputs.options.seed = parameters.seed();
  return ReadExcludedIds(limits, inputs.checkpoints[0].description->shape.vocabulary_size,
                         parameters, inputs.options);
}

absl::Status CheckPartnerNames(const Limits& limits,
                               const v1::ComputeCorrelationsRequest& request) {
  if (request.partners().empty()) {
    return InvalidArgument("NO_PARTNERS", absl::StrCat("no partners; name 1 to ", limits.partners,
                                                       " checkpoints to compare with"));
  }
  if (request.partners_size() > limits.partners) {
    return InvalidArgument(
        "TOO_MANY_PARTNERS",
        absl::StrCat(request.partners_size(), " partners; at most ", limits.partners));
  }
  std::set<std::string> seen = {request.reference()};
  for (const std::string& partner : request.partners()) {
    if (!seen.insert(partner).second) {
      return InvalidArgument(
          "DUPLICATE_PARTNER",
          absl::StrCat("partner ", partner, " stands twice or is the reference; name each once"),
          {{"partner", partner}});
    }
  }
  return absl::OkStatus();
}

absl::Status CheckShapes(const CorrelationInputs& inputs) {
  const checkpoints::CheckpointInfo& first = inputs.checkpoints[0];
  const engine::ModelShape& reference = first.description->shape;
  for (const checkpoints::CheckpointInfo& partner : inputs.checkpoints) {
    const engine::ModelShape& shape = partner.description->shape;
    if (inputs.options.pairing == analysis::Pairing::kSameIndex &&
        (shape.layers != reference.layers || shape.d_mlp != reference.d_mlp)) {
      return InvalidArgument(
          "SHAPE_MISMATCH",
          absl::StrCat("same_index pairing needs equal shapes: ", first.name.ToString(), " has ",
                       reference.layers, " layers of ", reference.d_mlp, " neurons, ",
                       partner.name.ToString(), " has ", shape.layers, " of ", shape.d_mlp));
    }
  }
  return absl::OkStatus();
}

// What the weights leave of the budget is the correlation's; refuses what does not fit at all.
absl::Status SetMemory(const AnalysisContext& context, CorrelationInputs& inputs) {
  analysis::PlanRequest request;
  int64_t weights = 0;
  for (const checkpoints::CheckpointInfo& checkpoint : inputs.checkpoints) {
    request.models.push_back(checkpoint.description->shape);
    weights += checkpoint.parameter_count * static_cast<int64_t>(sizeof(float));
  }
  HOMOLOG_RETURN_IF_ERROR(CheckMemory(context, weights));
  inputs.options.memory_bytes = context.memory_budget_bytes - weights;
  request.sequence_length = inputs.dataset.sequence_length();
  request.sequence_count = inputs.dataset.sequence_count();
  request.options = inputs.options;
  return analysis::PlanCorrelation(request).status();
}

// What determines a correlation besides its checkpoints.
void AddDatasetAndParameters(const CorrelationInputs& inputs, results::RequestDigest& digest) {
  digest.Add("dataset", inputs.dataset.sha256());
  const v1::CorrelationParameters& parameters = inputs.parameters;
  digest.Add("site", v1::Site_Name(parameters.site()))
      .Add("pairing", v1::Pairing_Name(parameters.pairing()))
      .Add("baseline", v1::Baseline_Name(parameters.baseline()))
      .Add("rotations", static_cast<int64_t>(parameters.rotations()))
      .Add("seed", static_cast<uint64_t>(parameters.seed()))
      .Add("precision", v1::Precision_Name(parameters.precision()));
  for (const int32_t id : parameters.excluded_token_ids()) {
    digest.Add("excluded", static_cast<int64_t>(id));
  }
}

// Of the correlation whose reference is checkpoint number `reference`.
std::string ResultId(const CorrelationInputs& inputs, size_t reference) {
  results::RequestDigest digest(kAlgorithm);
  AddToDigest("reference", inputs.checkpoints[reference], digest);
  for (size_t i = 0; i < inputs.checkpoints.size(); ++i) {
    if (i != reference) AddToDigest("partner", inputs.checkpoints[i], digest);
  }
  AddDatasetAndParameters(inputs, digest);
  return digest.Finish();
}

absl::Status AddCheckpoint(const AnalysisContext& context, const std::string& name,
                           CorrelationInputs& inputs) {
  HOMOLOG_ASSIGN_OR_RETURN(checkpoints::CheckpointInfo checkpoint,
                           IdentifyCheckpoint(context, name));
  inputs.checkpoints.push_back(std::move(checkpoint));
  inputs.options.model_names.push_back(name);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CorrelationInputs> ValidateCorrelation(
    const AnalysisContext& context, const v1::ComputeCorrelationsRequest& request) {
  CorrelationInputs inputs;
  inputs.request = request;
  HOMOLOG_RETURN_IF_ERROR(CheckPartnerNames(context.limits, request));
  HOMOLOG_RETURN_IF_ERROR(AddCheckpoint(context, request.reference(), inputs));
  HOMOLOG_ASSIGN_OR_RETURN(inputs.dataset, ReadDataset(*context.store, request.dataset()));
  HOMOLOG_RETURN_IF_ERROR(CheckFits(context, inputs.checkpoints[0], inputs.dataset));
  for (const std::string& name : request.partners()) {
    HOMOLOG_RETURN_IF_ERROR(AddCheckpoint(context, name, inputs));
    HOMOLOG_RETURN_IF_ERROR(CheckFits(context, inputs.checkpoints.back(), inputs.dataset));
  }
  HOMOLOG_RETURN_IF_ERROR(ReadParameters(context.limits, inputs));
  HOMOLOG_RETURN_IF_ERROR(CheckShapes(inputs));
  HOMOLOG_RETURN_IF_ERROR(
      analysis::CheckPrecision(inputs.options.precision, context.registry->device()));
  inputs.options.every_reference = request.every_reference();
  HOMOLOG_RETURN_IF_ERROR(SetMemory(context, inputs));
  const size_t references = request.every_reference() ? inputs.checkpoints.size() : 1;
  for (size_t i = 0; i < references; ++i) inputs.ids.push_back(ResultId(inputs, i));
  return inputs;
}

results::PairKey KeyOfPair(const CorrelationInputs& inputs, size_t reference, size_t partner) {
  const checkpoints::CheckpointInfo& of_reference = inputs.checkpoints[reference];
  const checkpoints::CheckpointInfo& of_partner = inputs.checkpoints[partner];
  results::RequestDigest digest(kAlgorithm);
  AddToDigest("reference", of_reference, digest);
  AddToDigest("partner", of_partner, digest);
  AddDatasetAndParameters(inputs, digest);
  return {digest.Finish(), of_reference.weights_sha256, of_partner.weights_sha256,
          inputs.dataset.sha256()};
}

}  // namespace homolog::operations
