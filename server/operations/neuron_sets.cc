#include "server/operations/neuron_sets.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "server/analysis/universality.h"
#include "server/results/families.h"
#include "server/results/neuron_request.h"
#include "server/results/result_codec.h"

namespace homolog::operations {
namespace {

absl::Status WrongReference(const checkpoints::CheckpointInfo& checkpoint,
                            const v1::Correlation& correlation) {
  return FailedPrecondition(
      "WRONG_REFERENCE",
      absl::StrCat(correlation.name(), " is about the neurons of ", correlation.reference().name(),
                   " with weights ", correlation.reference().weights_sha256(), "; ",
                   checkpoint.name.ToString(), " has weights ", checkpoint.weights_sha256,
                   ": compute a correlation with this checkpoint as the reference"),
      {{"correlation", correlation.name()}});
}

absl::Status NotOfTheFamilies(const checkpoints::CheckpointInfo& checkpoint,
                              const v1::FamilySet& families) {
  return FailedPrecondition(
      "WRONG_REFERENCE",
      absl::StrCat(families.name(), " has no neurons of ", checkpoint.name.ToString(),
                   " with weights ", checkpoint.weights_sha256,
                   ": ablate one of the checkpoints that it was found in"),
      {{"families", families.name()}});
}

analysis::NeuronSet Where(const std::vector<bool>& flags, bool value) {
  analysis::NeuronSet set;
  for (size_t i = 0; i < flags.size(); ++i) {
    if (flags[i] == value) set.push_back(static_cast<int64_t>(i));
  }
  return set;
}

absl::Status CheckDraws(const Limits& limits, v1::RandomNeurons& random) {
  if (random.draws() < 0 || random.draws() > limits.draws) {
    return InvalidArgument("INVALID_DRAWS",
                           absl::StrCat("draws is ", random.draws(), "; must be 0 (", kDefaultDraws,
                                        ") to ", limits.draws));
  }
  if (random.draws() == 0) random.set_draws(kDefaultDraws);
  return absl::OkStatus();
}

absl::StatusOr<analysis::NeuronSet> ExplicitSet(const engine::ModelShape& shape,
                                                v1::ExplicitNeurons& neurons) {
  analysis::NeuronSet set;
  for (const v1::NeuronId& neuron : neurons.neurons()) {
    if (neuron.layer() < 0 || neuron.layer() >= shape.layers || neuron.neuron() < 0 ||
        neuron.neuron() >= shape.d_mlp) {
      return InvalidArgument(
          "INVALID_NEURON",
          absl::StrCat("there is no neuron ", neuron.layer(), ":", neuron.neuron(),
                       "; layers are 0 to ", shape.layers - 1, ", neurons 0 to ", shape.d_mlp - 1));
    }
    set.push_back(neuron.layer() * shape.d_mlp + neuron.neuron());
  }
  std::sort(set.begin(), set.end());
  if (const auto twice = std::adjacent_find(set.begin(), set.end()); twice != set.end()) {
    return InvalidArgument("DUPLICATE_NEURON",
                           absl::StrCat("neuron ", *twice / shape.d_mlp, ":", *twice % shape.d_mlp,
                                        " stands twice; name each once"));
  }
  // In ascending order, so that equal sets have equal names.
  neurons.clear_neurons();
  for (const int64_t flat : set) {
    v1::NeuronId& neuron = *neurons.add_neurons();
    neuron.set_layer(static_cast<int32_t>(flat / shape.d_mlp));
    neuron.set_neuron(static_cast<int32_t>(flat % shape.d_mlp));
  }
  return set;
}

absl::Status EmptySet(const v1::NeuronSet& request) {
  return FailedPrecondition(
      "EMPTY_NEURON_SET", absl::StrCat("no neuron is in the set {", request.ShortDebugString(),
                                       "}; choose another threshold or rule, or name at least one "
                                       "neuron"));
}

void AddUniversal(const v1::UniversalNeurons& universal, results::RequestDigest& digest) {
  digest.Add("correlation", universal.correlation())
      .Add("threshold", universal.threshold())
      .Add("rule", v1::UniversalityRule_Name(universal.rule()));
}

void AddRandom(const v1::RandomNeurons& random, results::RequestDigest& digest) {
  AddUniversal(random.universal(), digest);
  digest.Add("draws", static_cast<int64_t>(random.draws()))
      .Add("seed", static_cast<uint64_t>(random.seed()));
}

}  // namespace

absl::StatusOr<const results::CorrelationColumns*> NeuronSetResolver::Columns(
    const std::string& correlation) {
  if (!correlation_.empty() && correlation == correlation_) return &columns_;
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kCorrelations, correlation));
  HOMOLOG_ASSIGN_OR_RETURN(const v1::Correlation manifest, results::ReadCorrelation(store_, id));
  if (manifest.reference().weights_sha256() != checkpoint_.weights_sha256) {
    return WrongReference(checkpoint_, manifest);
  }
  correlation_.clear();
  HOMOLOG_ASSIGN_OR_RETURN(columns_, results::ReadColumns(store_, id, manifest));
  correlation_ = correlation;
  return &columns_;
}

// Fills in `universal`'s defaults and returns its flags.
absl::StatusOr<std::vector<bool>> NeuronSetResolver::UniversalFlags(
    v1::UniversalNeurons& universal) {
  if (!universal.has_threshold()) universal.set_threshold(results::kDefaultThreshold);
  if (universal.rule() == v1::UNIVERSALITY_RULE_UNSPECIFIED) {
    universal.set_rule(v1::UNIVERSALITY_RULE_MEAN);
  }
  HOMOLOG_RETURN_IF_ERROR(results::CheckThreshold(universal.threshold()).status());
  HOMOLOG_ASSIGN_OR_RETURN(const analysis::UniversalityRule rule,
                           results::RuleOf(universal.rule()));
  HOMOLOG_ASSIGN_OR_RETURN(const results::CorrelationColumns* columns,
                           Columns(universal.correlation()));
  return analysis::UniversalNeurons(columns->partners, columns->dead, rule, universal.threshold());
}

absl::StatusOr<std::vector<analysis::NeuronSet>> NeuronSetResolver::RandomSets(
    v1::RandomNeurons& random, bool layer_matched) {
  HOMOLOG_RETURN_IF_ERROR(CheckDraws(limits_, random));
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<bool> flags,
                           UniversalFlags(*random.mutable_universal()));
  const analysis::NeuronSet universal = Where(flags, true);
  const engine::ModelShape& shape = checkpoint_.description->shape;
  const auto count = static_cast<int64_t>(universal.size());
  std::vector<analysis::NeuronSet> sets;
  for (int draw = 0; draw < random.draws(); ++draw) {
    sets.push_back(layer_matched
                       ? analysis::RandomNeuronsByLayer(universal, shape.d_mlp, random.seed(), draw)
                       : analysis::RandomNeurons(shape.neurons(), count, random.seed(), draw));
  }
  return sets;
}

absl::StatusOr<analysis::NeuronSet> NeuronSetResolver::FamilyMembers(
    const v1::FamilyNeurons& family) {
  auto known = families_.find(family.families());
  if (known == families_.end()) {
    HOMOLOG_ASSIGN_OR_RETURN(results::StoredFamilies read,
                             results::ReadFamilies(store_, family.families()));
    known = families_.emplace(family.families(), std::move(read)).first;
  }
  const results::StoredFamilies& families = known->second;
  const v1::FamilySet& manifest = families.manifest;
  int32_t place = 0;
  while (place < manifest.checkpoints_size() &&
         manifest.checkpoints(place).name() != checkpoint_.name.ToString()) {
    ++place;
  }
  if (place == manifest.checkpoints_size() ||
      manifest.checkpoints(place).weights_sha256() != checkpoint_.weights_sha256) {
    return NotOfTheFamilies(checkpoint_, manifest);
  }
  if (family.family() < 0 || family.family() >= families.size()) {
    return InvalidArgument("INVALID_FAMILY",
                           absl::StrCat("there is no family ", family.family(), " in ",
                                        family.families(), "; it has ", families.size()));
  }
  analysis::NeuronSet set;
  for (const analysis::FamilyNeuron& member : families.Members(family.family())) {
    if (member.model == place) set.push_back(member.neuron);
  }
  return set;
}

absl::StatusOr<ResolvedNeurons> NeuronSetResolver::Resolve(const v1::NeuronSet& request) {
  ResolvedNeurons resolved;
  resolved.request = request;
  v1::NeuronSet& set = resolved.request;
  if (set.has_explicit_()) {
    HOMOLOG_ASSIGN_OR_RETURN(analysis::NeuronSet neurons,
                             ExplicitSet(checkpoint_.description->shape, *set.mutable_explicit_()));
    resolved.sets.push_back(std::move(neurons));
  } else if (set.has_universal() || set.has_others()) {
    v1::UniversalNeurons& universal =
        set.has_universal() ? *set.mutable_universal() : *set.mutable_others();
    HOMOLOG_ASSIGN_OR_RETURN(const std::vector<bool> flags, UniversalFlags(universal));
    resolved.sets.push_back(Where(flags, set.has_universal()));
  } else if (set.has_random() || set.has_random_layer_matched()) {
    resolved.random = true;
    v1::RandomNeurons& random =
        set.has_random() ? *set.mutable_random() : *set.mutable_random_layer_matched();
    HOMOLOG_ASSIGN_OR_RETURN(resolved.sets, RandomSets(random, set.has_random_layer_matched()));
  } else if (set.has_family()) {
    HOMOLOG_ASSIGN_OR_RETURN(analysis::NeuronSet neurons, FamilyMembers(set.family()));
    resolved.sets.push_back(std::move(neurons));
  } else {
    return InvalidArgument("MISSING_NEURONS",
                           "a set of neurons is empty; set universal, others, random, "
                           "random_layer_matched, explicit or family");
  }
  if (resolved.sets[0].empty()) return EmptySet(request);
  return resolved;
}

void AddToDigest(const v1::NeuronSet& complete, results::RequestDigest& digest) {
  if (complete.has_universal()) {
    digest.Add("set", std::string_view("universal"));
    AddUniversal(complete.universal(), digest);
  } else if (complete.has_others()) {
    digest.Add("set", std::string_view("others"));
    AddUniversal(complete.others(), digest);
  } else if (complete.has_random()) {
    digest.Add("set", std::string_view("random"));
    AddRandom(complete.random(), digest);
  } else if (complete.has_random_layer_matched()) {
    digest.Add("set", std::string_view("random_layer_matched"));
    AddRandom(complete.random_layer_matched(), digest);
  } else if (complete.has_family()) {
    digest.Add("set", std::string_view("family"))
        .Add("families", complete.family().families())
        .Add("family", static_cast<int64_t>(complete.family().family()));
  } else {
    digest.Add("set", std::string_view("explicit"));
    for (const v1::NeuronId& neuron : complete.explicit_().neurons()) {
      digest.Add("layer", static_cast<int64_t>(neuron.layer()))
          .Add("neuron", static_cast<int64_t>(neuron.neuron()));
    }
  }
}

}  // namespace homolog::operations
