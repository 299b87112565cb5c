#include "client/cli/study_data.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/excess_distribution.h"
#include "common/enum_text.h"
#include "common/error.h"
#include "common/resource_names.h"

namespace homolog::cli {
namespace {

using google::protobuf::util::TimeUtil;
using nlohmann::json;

constexpr int kLargestFamilies = 20;

// "models/a": "a".
std::string ModelId(const std::string& name) {
  const auto id = ParseName(kModels, name);
  return id.ok() ? *id : name;
}

double Seconds(const google::protobuf::Duration& duration) {
  return static_cast<double>(TimeUtil::DurationToMicroseconds(duration)) * 1e-6;
}

json ParametersJson(const v1::Study& study) {
  const v1::CorrelationParameters& parameters = study.parameters();
  const v1::StudyAblation& ablation = study.ablation();
  json excluded = json::array();
  for (const int32_t id : parameters.excluded_token_ids()) excluded.push_back(id);
  return {{"site", EnumText(parameters.site())},
          {"baseline", EnumText(parameters.baseline())},
          {"rotations", parameters.rotations()},
          {"seed", parameters.seed()},
          {"precision", EnumText(parameters.precision())},
          {"excluded_token_ids", excluded},
          {"ablation_kind", ablation.skip() ? "none" : EnumText(ablation.kind())},
          {"ablation_value", ablation.has_value() ? json(ablation.value()) : json()},
          {"draws", ablation.draws()},
          {"ablation_seed", ablation.seed()}};
}

json CheckpointsJson(const v1::Study& study) {
  json all = json::array();
  for (int i = 0; i < study.checkpoints_size(); ++i) {
    const v1::ResultCheckpoint& checkpoint = study.checkpoints(i);
    const v1::ModelShape& shape = checkpoint.shape();
    all.push_back({{"model", ModelId(study.models(i / study.steps_size()))},
                   {"step", study.steps(i % study.steps_size())},
                   {"name", checkpoint.name()},
                   {"weights_sha256", checkpoint.weights_sha256()},
                   {"layers", shape.layers()},
                   {"d_model", shape.d_model()},
                   {"d_mlp", shape.d_mlp()},
                   {"vocabulary_size", shape.vocabulary_size()}});
  }
  return all;
}

json EmergenceJson(const v1::Study& study) {
  std::map<std::string, int64_t> neurons;  // by model: they need not be of one size
  for (int i = 0; i < study.checkpoints_size(); ++i) {
    const v1::ModelShape& shape = study.checkpoints(i).shape();
    neurons[study.models(i / study.steps_size())] = shape.layers() * shape.d_mlp();
  }
  json all = json::array();
  for (const v1::Emergence& emergence : study.emergence()) {
    json layers = json::array();
    for (const int64_t count : emergence.layer_counts()) layers.push_back(count);
    all.push_back({{"model", ModelId(emergence.model())},
                   {"step", emergence.step()},
                   {"threshold", emergence.threshold()},
                   {"universal", emergence.universal_count()},
                   {"neurons", neurons[emergence.model()]},
                   {"share", emergence.universal_share()},
                   {"layers", layers}});
  }
  return all;
}

json LineageJson(const v1::Study& study) {
  json all = json::array();
  for (const v1::LineageSummary& lineage : study.lineages()) {
    all.push_back({{"model", ModelId(lineage.model())},
                   {"from", lineage.from_step()},
                   {"to", lineage.to_step()},
                   {"threshold", study.main_threshold()},
                   {"became", lineage.became_count()},
                   {"stayed", lineage.stayed_count()},
                   {"ceased", lineage.ceased_count()},
                   {"never", lineage.never_count()}});
  }
  return all;
}

json ShareOf(int64_t kept, int64_t universal) {
  return {
      {"kept", kept},
      {"universal", universal},
      {"persistence",
       universal == 0 ? json() : json(static_cast<double>(kept) / static_cast<double>(universal))}};
}

// Every ordered pair of steps of one model at one threshold.
absl::Status AddPersistence(const v1::Persistence& persistence, json& all) {
  const int steps = persistence.steps_size(), layers = persistence.layer_count();
  if (persistence.kept_counts_size() != steps * steps * layers) {
    return DataLoss("MALFORMED_ANSWER",
                    absl::StrCat("the server sent ", persistence.kept_counts_size(),
                                 " counts of persistence of ", persistence.model(), "; ", steps,
                                 " steps and ", layers, " layers have ", steps * steps * layers));
  }
  auto kept = [&](int from, int to, int layer) {
    return persistence.kept_counts((from * steps + to) * layers + layer);
  };
  for (int from = 0; from < steps; ++from) {
    for (int to = 0; to < steps; ++to) {
      int64_t all_kept = 0, all_universal = 0;
      json by_layer = json::array();
      for (int layer = 0; layer < layers; ++layer) {
        by_layer.push_back(ShareOf(kept(from, to, layer), kept(from, from, layer)));
        all_kept += kept(from, to, layer);
        all_universal += kept(from, from, layer);
      }
      json entry = ShareOf(all_kept, all_universal);
      entry["model"] = ModelId(persistence.model());
      entry["threshold"] = persistence.threshold();
      entry["from"] = persistence.steps(from);
      entry["to"] = persistence.steps(to);
      entry["layers"] = std::move(by_layer);
      all.push_back(std::move(entry));
    }
  }
  return absl::OkStatus();
}

// The numbers of an effect; null where there is none.
void AddEffect(const v1::AblationEffect* effect, const v1::AblationEffect* deviation, json& out) {
  auto add = [&](const char* name, double (v1::AblationEffect::*mean)() const,
                 double (v1::AblationEffect::*error)() const) {
    const std::string key = name;
    out[key] = effect == nullptr ? json() : json((effect->*mean)());
    out[key + "_se"] = effect == nullptr ? json() : json((effect->*error)());
    out[key + "_std"] = deviation == nullptr ? json() : json((deviation->*mean)());
  };
  using Effect = v1::AblationEffect;
  out["neurons"] = effect == nullptr ? json() : json(effect->neuron_count());
  add("loss_increase", &Effect::loss_increase, &Effect::loss_increase_error);
  add("kl", &Effect::kl, &Effect::kl_error);
  add("entropy_change", &Effect::entropy_change, &Effect::entropy_change_error);
  add("top1_agreement", &Effect::top1_agreement, &Effect::top1_agreement_error);
}

template <typename Owner>
const v1::AblationEffect* EffectOf(const Owner& owner) {
  return owner.has_effect() ? &owner.effect() : nullptr;
}
template <typename Owner>
const v1::AblationEffect* DeviationOf(const Owner& owner) {
  return owner.has_effect_std() ? &owner.effect_std() : nullptr;
}

json AblationRow(const v1::StudyAblationPart& part, v1::AblationKind kind) {
  return {{"model", ModelId(part.model())},
          {"step", part.step()},
          {"threshold", part.threshold()},
          {"set", EnumText(part.set())},
          {"layer", json()},
          {"absent", json()},
          {"name", json()},
          {"kind", EnumText(kind)},
          {"draws", json()},
          {"clean_loss", json()}};
}

void AddAblation(const v1::StudyAblationPart& part, const v1::Ablation& ablation, json& all) {
  json row = AblationRow(part, ablation.kind());
  row["name"] = ablation.name();
  row["clean_loss"] = ablation.clean_loss();
  if (part.scope() != v1::ABLATION_SCOPE_PER_LAYER) {
    row["draws"] = std::max(1, ablation.draws_size());
    AddEffect(EffectOf(ablation), DeviationOf(ablation), row);
    all.push_back(std::move(row));
    return;
  }
  for (const v1::LayerEffect& layer : ablation.layers()) {
    json of_layer = row;
    of_layer["layer"] = layer.layer();
    of_layer["draws"] = std::max(1, layer.draws_size());
    if (!layer.has_effect()) of_layer["absent"] = "the set has no neuron of this layer";
    AddEffect(EffectOf(layer), DeviationOf(layer), of_layer);
    all.push_back(std::move(of_layer));
  }
}

void AddAbsent(const v1::StudyAblationPart& part, v1::AblationKind kind, json& all) {
  // An empty set is empty in every layer: said once.
  if (part.scope() == v1::ABLATION_SCOPE_PER_LAYER) return;
  json row = AblationRow(part, kind);
  row["absent"] = part.absent_reason();
  AddEffect(nullptr, nullptr, row);
  all.push_back(std::move(row));
}

// One fetch after the other.
class Fetcher {
 public:
  Fetcher(client::Client& client, const v1::Study& study, const FetchProgress& on_progress)
      : client_(client), study_(study), on_progress_(on_progress) {
    const v1::StudyParts& parts = study.parts();
    total_ = parts.correlations_size() + parts.ablations_size() + parts.families_size() +
             int64_t{study.models_size()} * study.thresholds_size();
  }

  absl::Status Run(json& out) {
    for (const char* list : {"correlations", "excess", "persistence", "ablations", "families"}) {
      out[list] = json::array();
    }
    for (const v1::StudyCorrelation& part : study_.parts().correlations()) {
      HOMOLOG_RETURN_IF_ERROR(AddCorrelation(part, out));
    }
    HOMOLOG_RETURN_IF_ERROR(AddPersistences(out["persistence"]));
    for (const v1::StudyAblationPart& part : study_.parts().ablations()) {
      Count();
      if (part.ablation().empty()) {
        AddAbsent(part, study_.ablation().kind(), out["ablations"]);
        continue;
      }
      HOMOLOG_ASSIGN_OR_RETURN(const v1::Ablation ablation, client_.GetAblation(part.ablation()));
      AddAblation(part, ablation, out["ablations"]);
    }
    for (const v1::StudyFamilies& part : study_.parts().families()) {
      HOMOLOG_RETURN_IF_ERROR(AddFamilies(part, out["families"]));
    }
    return absl::OkStatus();
  }

 private:
  void Count() {
    if (on_progress_) on_progress_(++done_, total_);
  }
  bool IsLastStep(const std::string& step) const {
    return step == study_.steps(study_.steps_size() - 1);
  }

  absl::Status AddCorrelation(const v1::StudyCorrelation& part, json& out) {
    Count();
    HOMOLOG_ASSIGN_OR_RETURN(const v1::Correlation correlation,
                             client_.GetCorrelation(part.correlation()));
    json partners = json::array();
    double largest = 0, mean = 0;
    for (const v1::ResultCheckpoint& partner : correlation.partners()) {
      const auto name = CheckpointName::Parse(partner.name());
      partners.push_back(name.ok() ? name->model : partner.name());
    }
    for (const v1::PairSummary& pair : correlation.pairs()) {
      largest = std::max(largest, pair.error().max_abs());
      mean += pair.error().mean_abs() / correlation.pairs_size();
    }
    out["correlations"].push_back({{"model", ModelId(part.model())},
                                   {"step", part.step()},
                                   {"pairing", EnumText(part.pairing())},
                                   {"name", part.correlation()},
                                   {"partners", partners},
                                   {"counted_positions", correlation.counted_positions()},
                                   {"dead_neurons", correlation.reference().dead_neurons()},
                                   {"max_error", largest},
                                   {"mean_error", mean},
                                   {"duration_seconds", Seconds(correlation.duration())}});
    return AddExcess(part, out["excess"]);
  }

  absl::Status AddExcess(const v1::StudyCorrelation& part, json& all) {
    ExcessDistribution distribution;
    v1::QueryUniversalNeuronsRequest request;
    request.set_correlation(part.correlation());
    request.set_threshold(-2);  // every neuron
    request.set_rule(study_.rule());
    request.set_page_size(10000);
    HOMOLOG_RETURN_IF_ERROR(
        client_.QueryEveryPage(request, [&](const v1::QueryUniversalNeuronsResponse& page) {
          for (const v1::Neuron& neuron : page.neurons()) {
            if (neuron.dead()) continue;
            distribution.Add(neuron.baseline(), neuron.max_corr(), neuron.excess_corr());
          }
          return absl::OkStatus();
        }));
    json entry = {{"model", ModelId(part.model())},
                  {"step", part.step()},
                  {"pairing", EnumText(part.pairing())}};
    distribution.WriteHistogram(entry);
    distribution.WriteScatter(entry);
    // The plane is shown of the last step.
    if (!IsLastStep(part.step())) entry["scatter"]["cells"] = json::array();
    all.push_back(std::move(entry));
    return absl::OkStatus();
  }

  absl::Status AddPersistences(json& all) {
    for (const std::string& model : study_.models()) {
      for (const double threshold : study_.thresholds()) {
        Count();
        v1::GetPersistenceRequest request;
        request.set_study(study_.name());
        request.set_model(model);
        request.set_threshold(threshold);
        HOMOLOG_ASSIGN_OR_RETURN(const v1::Persistence persistence,
                                 client_.GetPersistence(request));
        HOMOLOG_RETURN_IF_ERROR(AddPersistence(persistence, all));
      }
    }
    return absl::OkStatus();
  }

  absl::Status AddFamilies(const v1::StudyFamilies& part, json& all) {
    Count();
    HOMOLOG_ASSIGN_OR_RETURN(const v1::FamilySet set, client_.GetFamilySet(part.families()));
    json sizes = json::array(), largest = json::array();
    for (const v1::FamilySizeCount& size : set.sizes()) {
      sizes.push_back({{"size", size.size()}, {"count", size.count()}});
    }
    v1::ListFamiliesRequest request;
    request.set_parent(part.families());
    request.set_page_size(kLargestFamilies);
    HOMOLOG_ASSIGN_OR_RETURN(const v1::ListFamiliesResponse page, client_.ListFamilies(request));
    for (const v1::NeuronFamily& family : page.families()) {
      json members = json::array();
      for (const v1::FamilyMember& member : family.members()) {
        const auto name = CheckpointName::Parse(member.checkpoint());
        members.push_back({{"model", name.ok() ? name->model : member.checkpoint()},
                           {"layer", member.layer()},
                           {"neuron", member.neuron()}});
      }
      largest.push_back({{"index", family.index()},
                         {"size", family.size()},
                         {"mean_excess", family.mean_excess()},
                         {"members", members}});
    }
    all.push_back({{"step", part.step()},
                   {"name", part.families()},
                   {"threshold", set.threshold()},
                   {"count", set.family_count()},
                   {"sizes", sizes},
                   {"largest", largest}});
    return absl::OkStatus();
  }

  client::Client& client_;
  const v1::Study& study_;
  const FetchProgress& on_progress_;
  int64_t done_ = 0, total_ = 0;
};

std::string Now() {
  return TimeUtil::ToString(
      TimeUtil::SecondsToTimestamp(std::chrono::duration_cast<std::chrono::seconds>(
                                       std::chrono::system_clock::now().time_since_epoch())
                                       .count()));
}

}  // namespace

absl::StatusOr<json> FetchStudy(client::Client& client, const std::string& name,
                                const std::string& version, const FetchProgress& on_progress) {
  HOMOLOG_ASSIGN_OR_RETURN(const v1::Study study, client.GetStudy(name));
  json out = {{"format", "homolog-study/1"},
              {"homolog_version", version},
              {"generated", Now()},
              {"name", study.name()},
              {"create_time", TimeUtil::ToString(study.create_time())},
              {"duration_seconds", Seconds(study.duration())},
              {"main_threshold", study.main_threshold()},
              {"rule", EnumText(study.rule())},
              {"parameters", ParametersJson(study)},
              {"checkpoints", CheckpointsJson(study)},
              {"emergence", EmergenceJson(study)},
              {"lineage", LineageJson(study)}};
  out["models"] = json::array();
  for (const std::string& model : study.models()) out["models"].push_back(ModelId(model));
  out["steps"] = std::vector<std::string>(study.steps().begin(), study.steps().end());
  out["thresholds"] = std::vector<double>(study.thresholds().begin(), study.thresholds().end());
  out["dataset"] = {{"name", study.dataset()},
                    {"sha256", study.dataset_sha256()},
                    {"sequence_length", study.sequence_length()},
                    {"sequence_count", study.sequence_count()},
                    {"token_count", study.token_count()}};
  out["ablation_dataset"] = study.ablation().skip()
                                ? json()
                                : json({{"name", study.ablation().dataset()},
                                        {"sha256", study.ablation_dataset_sha256()},
                                        {"sequence_length", study.ablation_sequence_length()},
                                        {"sequence_count", study.ablation_sequence_count()}});
  int ablations = 0;  // planned ones may have proved empty
  for (const v1::StudyAblationPart& part : study.parts().ablations()) {
    ablations += part.ablation().empty() ? 0 : 1;
  }
  const v1::StudyPlan& plan = study.plan();
  out["cost"] = {
      {"correlations_computed", plan.correlation_count() - plan.stored_correlation_count()},
      {"correlations_stored", plan.stored_correlation_count()},
      {"ablations_computed", ablations - plan.stored_ablation_count()},
      {"ablations_stored", plan.stored_ablation_count()},
      {"forward_tokens", study.forward_tokens()}};
  HOMOLOG_RETURN_IF_ERROR(Fetcher(client, study, on_progress).Run(out));
  return out;
}

}  // namespace homolog::cli
