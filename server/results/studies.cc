#include "server/results/studies.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "server/analysis/universality.h"
#include "server/results/families.h"
#include "server/results/manifest.h"
#include "server/results/neuron_request.h"
#include "server/results/packed.h"
#include "server/results/result_codec.h"

namespace homolog::results {
namespace {

std::string KeptBlob(int model, int threshold) {
  return absl::StrCat("kept.", model, ".", threshold);
}

// The place of `value` in a list of the study's. INVALID_ARGUMENT with `reason`.
template <typename List, typename Value>
absl::StatusOr<int> PlaceOf(const List& list, const Value& value, const char* what,
                            const char* reason, const std::string& study) {
  const auto found = std::find(list.begin(), list.end(), value);
  if (found != list.end()) return static_cast<int>(found - list.begin());
  return InvalidArgument(
      reason, absl::StrCat(what, " is ", value, "; ", study, " has ", absl::StrJoin(list, ", ")));
}

// Follows a neuron from step to step.
class LineageWalk {
 public:
  LineageWalk(const store::Store& store, const v1::Study& study, int model)
      : store_(store), study_(study), model_(model) {}

  // What is known of the neuron at a step; flat: an index that its model has.
  absl::StatusOr<v1::LineagePoint> PointAt(int step, int64_t flat, double corr) const {
    HOMOLOG_ASSIGN_OR_RETURN(const analysis::CorrelationResult row, Row(CorrelationAt(step), flat));
    HOMOLOG_ASSIGN_OR_RETURN(const analysis::UniversalityRule rule, RuleOf(study_.rule()));
    const analysis::NeuronExcess excess = analysis::CombinePartners(row.partners, rule, 0);
    v1::LineagePoint point;
    point.set_step(study_.steps(step));
    point.set_layer(static_cast<int32_t>(flat / d_mlp()));
    point.set_neuron(static_cast<int32_t>(flat % d_mlp()));
    point.set_corr(corr);
    point.set_excess_corr(excess.excess);
    point.set_universal(row.dead[0] == 0 && excess.excess > study_.main_threshold());
    return point;
  }

  // The best partner at the step after (forward) or before; nothing where there is none.
  struct Neighbour {
    int64_t flat;
    double corr;
  };
  absl::StatusOr<std::optional<Neighbour>> Next(int step, bool forward, int64_t flat) const {
    const v1::LineageSummary* lineage = LineageFrom(forward ? step : step - 1);
    if (lineage == nullptr) return Damaged(study_.name(), "it lacks lineages");
    HOMOLOG_ASSIGN_OR_RETURN(
        const analysis::CorrelationResult row,
        Row(forward ? lineage->forward_correlation() : lineage->backward_correlation(), flat));
    const analysis::PairCorrelations& pair = row.partners[0];
    if (pair.max_corr[0] <= 0) return std::optional<Neighbour>();
    return std::optional<Neighbour>({pair.max_sim[0], pair.max_corr[0]});
  }

 private:
  int64_t d_mlp() const { return study_.checkpoints(model_ * study_.steps_size()).shape().d_mlp(); }
  std::string CorrelationAt(int step) const {
    for (const v1::StudyCorrelation& part : study_.parts().correlations()) {
      if (part.model() == study_.models(model_) && part.step() == study_.steps(step) &&
          part.pairing() == v1::PAIRING_BEST) {
        return part.correlation();
      }
    }
    return "";
  }
  const v1::LineageSummary* LineageFrom(int step) const {
    for (const v1::LineageSummary& lineage : study_.lineages()) {
      if (lineage.model() == study_.models(model_) && lineage.from_step() == study_.steps(step)) {
        return &lineage;
      }
    }
    return nullptr;
  }
  absl::StatusOr<analysis::CorrelationResult> Row(const std::string& correlation,
                                                  int64_t flat) const {
    constexpr ColumnGroup kGroups[] = {ColumnGroup::kCorrelations};
    if (correlation.empty()) return Damaged(study_.name(), "it lacks a correlation");
    HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kCorrelations, correlation));
    HOMOLOG_ASSIGN_OR_RETURN(const v1::Correlation manifest, ReadCorrelation(store_, id));
    return ReadRows(store_, id, manifest, kGroups, {flat, 1});
  }

  const store::Store& store_;
  const v1::Study& study_;
  const int model_;
};

// The points from `step` (excluded) to the end or the beginning, the nearest first.
absl::StatusOr<std::vector<v1::LineagePoint>> Walk(const LineageWalk& walk, int step, int steps,
                                                   bool forward, int64_t flat) {
  std::vector<v1::LineagePoint> points;
  for (int at = step; forward ? at + 1 < steps : at > 0; at += forward ? 1 : -1) {
    HOMOLOG_ASSIGN_OR_RETURN(const auto next, walk.Next(at, forward, flat));
    if (!next) break;
    flat = next->flat;
    HOMOLOG_ASSIGN_OR_RETURN(v1::LineagePoint point,
                             walk.PointAt(at + (forward ? 1 : -1), flat, next->corr));
    points.push_back(std::move(point));
  }
  return points;
}

absl::Status CheckNeuron(const v1::ModelShape& shape, const v1::GetLineageRequest& request) {
  if (request.layer() < 0 || request.layer() >= shape.layers()) {
    return InvalidArgument("INVALID_LAYER",
                           absl::StrCat("layer is ", request.layer(), "; ", request.model(),
                                        " has 0 to ", shape.layers() - 1));
  }
  if (request.neuron() < 0 || request.neuron() >= shape.d_mlp()) {
    return InvalidArgument("INVALID_NEURON",
                           absl::StrCat("neuron is ", request.neuron(), "; ", request.model(),
                                        " has 0 to ", shape.d_mlp() - 1, " in each layer"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status PutStudy(store::Store& store, const v1::Study& study,
                      const std::vector<std::vector<std::vector<int32_t>>>& kept) {
  std::vector<store::Blob> blobs;
  for (size_t model = 0; model < kept.size(); ++model) {
    for (size_t threshold = 0; threshold < kept[model].size(); ++threshold) {
      blobs.push_back({KeptBlob(static_cast<int>(model), static_cast<int>(threshold)),
                       Pack(kept[model][threshold])});
    }
  }
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kStudies, study.name()));
  return store.PutResult(kStudies, id, study.SerializeAsString(), blobs);
}

absl::StatusOr<v1::Study> ReadStudy(const store::Store& store, const std::string& name) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kStudies, name));
  HOMOLOG_ASSIGN_OR_RETURN(v1::Study study,
                           ReadManifest<v1::Study>(store, kStudies, id, "STUDY_NOT_FOUND"));
  const bool whole = study.models_size() > 0 && study.steps_size() > 0 &&
                     study.checkpoints_size() == study.models_size() * study.steps_size();
  if (!whole) return Damaged(name, "its manifest lacks models, steps or checkpoints");
  return study;
}

absl::StatusOr<v1::Study> ReadCompleteStudy(const store::Store& store, const std::string& name) {
  HOMOLOG_ASSIGN_OR_RETURN(v1::Study study, ReadStudy(store, name));
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kStudies, name));
  for (int model = 0; model < study.models_size(); ++model) {
    for (int threshold = 0; threshold < study.thresholds_size(); ++threshold) {
      if (!store.GetBlobSize(kStudies, id, KeptBlob(model, threshold)).ok()) {
        return Damaged(name, absl::StrCat(KeptBlob(model, threshold), " is missing"));
      }
    }
  }
  for (const v1::StudyCorrelation& part : study.parts().correlations()) {
    HOMOLOG_ASSIGN_OR_RETURN(const std::string part_id,
                             ParseName(kCorrelations, part.correlation()));
    HOMOLOG_RETURN_IF_ERROR(ReadCorrelation(store, part_id).status());
  }
  for (const v1::StudyAblationPart& part : study.parts().ablations()) {
    if (part.ablation().empty()) continue;
    HOMOLOG_ASSIGN_OR_RETURN(const std::string part_id, ParseName(kAblations, part.ablation()));
    HOMOLOG_RETURN_IF_ERROR(ReadAblation(store, part_id).status());
  }
  for (const v1::StudyFamilies& part : study.parts().families()) {
    HOMOLOG_RETURN_IF_ERROR(ReadFamilies(store, part.families()).status());
  }
  return study;
}

void Abridge(v1::Study& study) {
  study.clear_parts();
  study.clear_emergence();
  study.clear_checkpoints();
  study.clear_lineages();
}

absl::StatusOr<v1::Persistence> GetPersistence(const store::Store& store,
                                               const v1::GetPersistenceRequest& request) {
  HOMOLOG_ASSIGN_OR_RETURN(const v1::Study study, ReadStudy(store, request.study()));
  HOMOLOG_ASSIGN_OR_RETURN(const int model, PlaceOf(study.models(), request.model(), "model",
                                                    "INVALID_MODEL", study.name()));
  const double threshold = request.has_threshold() ? request.threshold() : study.main_threshold();
  HOMOLOG_ASSIGN_OR_RETURN(const int place, PlaceOf(study.thresholds(), threshold, "threshold",
                                                    "INVALID_THRESHOLD", study.name()));
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kStudies, study.name()));
  const absl::StatusOr<std::string> bytes = store.GetBlob(kStudies, id, KeptBlob(model, place));
  if (absl::IsNotFound(bytes.status())) {
    return Damaged(study.name(), absl::StrCat(KeptBlob(model, place), " is missing"));
  }
  HOMOLOG_RETURN_IF_ERROR(bytes.status());
  const auto kept = Unpack<int32_t>(*bytes);
  const int64_t layers = study.checkpoints(model * study.steps_size()).shape().layers();
  if (!kept ||
      static_cast<int64_t>(kept->size()) != layers * study.steps_size() * study.steps_size()) {
    return Damaged(study.name(),
                   absl::StrCat(KeptBlob(model, place), " has ", bytes->size(), " bytes"));
  }
  v1::Persistence persistence;
  persistence.set_model(request.model());
  persistence.set_threshold(threshold);
  *persistence.mutable_steps() = study.steps();
  persistence.set_layer_count(static_cast<int32_t>(layers));
  persistence.mutable_kept_counts()->Assign(kept->begin(), kept->end());
  return persistence;
}

absl::StatusOr<v1::Lineage> GetLineage(const store::Store& store,
                                       const v1::GetLineageRequest& request) {
  HOMOLOG_ASSIGN_OR_RETURN(const v1::Study study, ReadStudy(store, request.study()));
  HOMOLOG_ASSIGN_OR_RETURN(const int model, PlaceOf(study.models(), request.model(), "model",
                                                    "INVALID_MODEL", study.name()));
  HOMOLOG_ASSIGN_OR_RETURN(
      const int step, PlaceOf(study.steps(), request.step(), "step", "INVALID_STEP", study.name()));
  const v1::ModelShape& shape = study.checkpoints(model * study.steps_size() + step).shape();
  HOMOLOG_RETURN_IF_ERROR(CheckNeuron(shape, request));
  const int64_t flat = request.layer() * shape.d_mlp() + request.neuron();
  const LineageWalk walk(store, study, model);
  HOMOLOG_ASSIGN_OR_RETURN(std::vector<v1::LineagePoint> before,
                           Walk(walk, step, study.steps_size(), /*forward=*/false, flat));
  HOMOLOG_ASSIGN_OR_RETURN(v1::LineagePoint here, walk.PointAt(step, flat, 1));
  HOMOLOG_ASSIGN_OR_RETURN(std::vector<v1::LineagePoint> after,
                           Walk(walk, step, study.steps_size(), /*forward=*/true, flat));
  v1::Lineage lineage;
  lineage.set_model(request.model());
  for (auto point = before.rbegin(); point != before.rend(); ++point) {
    *lineage.add_points() = std::move(*point);
  }
  *lineage.add_points() = std::move(here);
  for (v1::LineagePoint& point : after) *lineage.add_points() = std::move(point);
  return lineage;
}

}  // namespace homolog::results
