#include "server/operations/ablation_request.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/operations/stored_tokens.h"
#include "server/results/families.h"
#include "server/results/request_digest.h"

namespace homolog::operations {
namespace {

// A change that changes a number of a result changes this.
constexpr std::string_view kAlgorithm = "ablation/2";

bool NeedsValue(v1::AblationKind kind) {
  return kind == v1::ABLATION_KIND_FIXED || kind == v1::ABLATION_KIND_THRESHOLD;
}

// Of a random set; negative ones are refused later.
int64_t Draws(const v1::NeuronSet& set) {
  if (!set.has_random() && !set.has_random_layer_matched()) return 0;
  const int draws = set.has_random() ? set.random().draws() : set.random_layer_matched().draws();
  return draws == 0 ? kDefaultDraws : std::max(0, draws);
}

absl::Status CheckSets(const Limits& limits, const v1::RunAblationRequest& request) {
  if (request.neurons().empty()) {
    return InvalidArgument("MISSING_NEURONS",
                           absl::StrCat("neurons is empty; name 1 to ", limits.sets,
                                        " sets of universal, others, random, random_layer_matched, "
                                        "explicit or family neurons"));
  }
  if (request.neurons_size() > limits.sets) {
    return InvalidArgument(
        "TOO_MANY_SETS",
        absl::StrCat(request.neurons_size(), " sets of neurons; at most ", limits.sets));
  }
  int64_t draws = 0;
  for (const v1::NeuronSet& set : request.neurons()) draws += Draws(set);
  if (draws > limits.draws_in_all) {
    return InvalidArgument("TOO_MANY_SETS",
                           absl::StrCat(draws, " draws in all sets; at most ", limits.draws_in_all,
                                        ": ask for some sets at a time"));
  }
  if (!v1::AblationScope_IsValid(request.scope())) {
    return InvalidArgument("INVALID_PARAMETER",
                           absl::StrCat("scope is ", static_cast<int>(request.scope()),
                                        "; must be WHOLE_MODEL or PER_LAYER"),
                           {{"field", "scope"}});
  }
  return absl::OkStatus();
}

// The checkpoints that the request means, and for each the sets that have neurons there.
struct NamedTarget {
  std::string checkpoint;
  std::vector<v1::NeuronSet> sets;
};

absl::Status AddFamily(const results::StoredFamilies& families, const v1::NeuronSet& set,
                       std::vector<NamedTarget>& targets) {
  const int32_t index = set.family().family();
  if (index < 0 || index >= families.size()) {
    return InvalidArgument("INVALID_FAMILY",
                           absl::StrCat("there is no family ", index, " in ",
                                        set.family().families(), "; it has ", families.size()));
  }
  std::set<int32_t> models;
  for (const analysis::FamilyNeuron& member : families.Members(index)) models.insert(member.model);
  for (const int32_t model : models) {
    const std::string& checkpoint = families.manifest.checkpoints(model).name();
    auto target = std::find_if(targets.begin(), targets.end(), [&](const NamedTarget& known) {
      return known.checkpoint == checkpoint;
    });
    if (target == targets.end()) target = targets.insert(targets.end(), {checkpoint, {}});
    target->sets.push_back(set);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<NamedTarget>> Targets(const AnalysisContext& context,
                                                 const v1::RunAblationRequest& request) {
  std::vector<NamedTarget> targets;
  if (!request.checkpoint().empty()) {
    targets.push_back({request.checkpoint(), {request.neurons().begin(), request.neurons().end()}});
    return targets;
  }
  std::map<std::string, results::StoredFamilies> known;
  for (const v1::NeuronSet& set : request.neurons()) {
    if (!set.has_family()) {
      return InvalidArgument("INVALID_RESOURCE_NAME",
                             "checkpoint is empty; name models/{model}/checkpoints/{step}: only "
                             "families say by themselves where their neurons are");
    }
    const std::string& name = set.family().families();
    if (known.count(name) == 0) {
      HOMOLOG_ASSIGN_OR_RETURN(known[name], results::ReadFamilies(*context.store, name));
    }
    HOMOLOG_RETURN_IF_ERROR(AddFamily(known[name], set, targets));
  }
  int64_t results = 0;
  for (const NamedTarget& target : targets) results += static_cast<int64_t>(target.sets.size());
  if (results > context.limits.results) {
    return InvalidArgument(
        "TOO_MANY_SETS",
        absl::StrCat("the families have neurons of so many checkpoints that ", results,
                     " results would follow; at most ", context.limits.results,
                     ": name fewer families, or one checkpoint"));
  }
  return targets;
}

absl::StatusOr<AblationTarget> Resolve(const AnalysisContext& context, const NamedTarget& named,
                                       v1::AblationScope scope, const AblationInputs& inputs) {
  AblationTarget target;
  HOMOLOG_ASSIGN_OR_RETURN(target.checkpoint, IdentifyCheckpoint(context, named.checkpoint));
  HOMOLOG_RETURN_IF_ERROR(CheckFits(context, target.checkpoint, inputs.dataset));
  HOMOLOG_RETURN_IF_ERROR(CheckMemory(
      context, target.checkpoint.parameter_count * static_cast<int64_t>(sizeof(float))));
  NeuronSetResolver resolver(*context.store, target.checkpoint, context.limits);
  for (const v1::NeuronSet& set : named.sets) {
    HOMOLOG_ASSIGN_OR_RETURN(ResolvedNeurons neurons, resolver.Resolve(set));
    std::string id =
        AblationId(target.checkpoint, inputs.dataset, inputs.method, neurons.request, scope);
    target.sets.push_back({std::move(neurons), scope, std::move(id)});
  }
  return target;
}

}  // namespace

analysis::AblationOptions AblationMethod::options() const {
  analysis::AblationOptions options{analysis::AblationKind::kZero, value.value_or(0), seed};
  if (kind == v1::ABLATION_KIND_MEAN) options.kind = analysis::AblationKind::kMean;
  if (kind == v1::ABLATION_KIND_FIXED) options.kind = analysis::AblationKind::kFixed;
  if (kind == v1::ABLATION_KIND_THRESHOLD) options.kind = analysis::AblationKind::kThreshold;
  if (kind == v1::ABLATION_KIND_RESAMPLE) options.kind = analysis::AblationKind::kResample;
  return options;
}

absl::StatusOr<AblationMethod> ValidateMethod(v1::AblationKind kind, std::optional<double> value,
                                              uint64_t seed) {
  if (!v1::AblationKind_IsValid(kind)) {
    return InvalidArgument("INVALID_PARAMETER",
                           absl::StrCat("kind is ", static_cast<int>(kind),
                                        "; must be ZERO, MEAN, FIXED, THRESHOLD or RESAMPLE"),
                           {{"field", "kind"}});
  }
  AblationMethod method;
  if (kind != v1::ABLATION_KIND_UNSPECIFIED) method.kind = kind;
  const std::string name = v1::AblationKind_Name(method.kind);
  if (NeedsValue(method.kind) != value.has_value()) {
    return InvalidArgument(
        "INVALID_VALUE",
        value ? absl::StrCat("value is ", *value, ", but ", name, " takes none; leave it out")
              : absl::StrCat(name, " needs a value; set a finite number"));
  }
  if (value && !std::isfinite(static_cast<float>(*value))) {
    return InvalidArgument("INVALID_VALUE",
                           absl::StrCat("value is ", *value, "; must be a finite float32"));
  }
  method.value = value;
  // Other kinds draw no positions.
  if (method.kind == v1::ABLATION_KIND_RESAMPLE) method.seed = seed;
  return method;
}

std::string AblationId(const checkpoints::CheckpointInfo& checkpoint, const v1::Dataset& dataset,
                       const AblationMethod& method, const v1::NeuronSet& complete,
                       v1::AblationScope scope) {
  results::RequestDigest digest(kAlgorithm);
  AddToDigest("checkpoint", checkpoint, digest);
  digest.Add("dataset", dataset.sha256()).Add("kind", v1::AblationKind_Name(method.kind));
  if (method.value) digest.Add("value", *method.value);
  if (method.kind == v1::ABLATION_KIND_RESAMPLE) digest.Add("positions_seed", method.seed);
  digest.Add("scope", v1::AblationScope_Name(scope));
  AddToDigest(complete, digest);
  return digest.Finish();
}

absl::StatusOr<AblationInputs> ValidateAblation(const AnalysisContext& context,
                                                const v1::RunAblationRequest& request) {
  AblationInputs inputs;
  HOMOLOG_RETURN_IF_ERROR(CheckSets(context.limits, request));
  const std::optional<double> value =
      request.has_value() ? std::optional(request.value()) : std::nullopt;
  HOMOLOG_ASSIGN_OR_RETURN(inputs.method, ValidateMethod(request.kind(), value, request.seed()));
  if (request.seed() != inputs.method.seed) {
    return InvalidArgument("INVALID_PARAMETER",
                           absl::StrCat("seed is ", request.seed(), ", but ",
                                        v1::AblationKind_Name(inputs.method.kind),
                                        " draws no positions; leave it out (random sets have a "
                                        "seed of their own)"),
                           {{"field", "seed"}});
  }
  const v1::AblationScope scope = request.scope() == v1::ABLATION_SCOPE_UNSPECIFIED
                                      ? v1::ABLATION_SCOPE_WHOLE_MODEL
                                      : request.scope();
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<NamedTarget> targets, Targets(context, request));
  HOMOLOG_ASSIGN_OR_RETURN(inputs.dataset, ReadDataset(*context.store, request.dataset()));
  for (const NamedTarget& named : targets) {
    HOMOLOG_ASSIGN_OR_RETURN(AblationTarget target, Resolve(context, named, scope, inputs));
    inputs.targets.push_back(std::move(target));
  }
  return inputs;
}

}  // namespace homolog::operations
