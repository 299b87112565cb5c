#include "tests/support/small_study.h"

#include <cstddef>
#include <nlohmann/json.hpp>

namespace homolog::testing {
namespace {

using nlohmann::json;
using Models = std::vector<std::string>;

constexpr int kLayers = 2, kWidth = 8;
constexpr double kMain = 0.5;
const char* const kSteps[] = {"0", "100", "200"};
const double kThresholds[] = {0.4, kMain};

json Frame() {
  return json::parse(R"json({
    "format": "homolog-study/1", "homolog_version": "0.1.0", "generated": "2026-11-22T08:00:00Z",
    "name": "studies/5ca1ab1e", "create_time": "2026-11-22T07:00:00Z", "duration_seconds": 12.5,
    "models": [], "steps": [], "thresholds": [], "main_threshold": 0.5, "rule": "mean",
    "dataset": {"name": "datasets/small", "sha256": "da7a", "sequence_length": 64,
                "sequence_count": 16, "token_count": 1024},
    "ablation_dataset": {"name": "datasets/few", "sha256": "feda", "sequence_length": 64,
                         "sequence_count": 2},
    "parameters": {"site": "mlp_post", "baseline": "gaussian", "rotations": 5, "seed": 0,
                   "precision": "float32", "excluded_token_ids": [], "ablation_kind": "zero",
                   "ablation_value": null, "draws": 5, "ablation_seed": 0},
    "checkpoints": [], "correlations": [], "emergence": [], "persistence": [], "ablations": [],
    "excess": [], "families": [], "lineage": [],
    "cost": {"correlations_computed": 4, "correlations_stored": 0, "ablations_computed": 16,
             "ablations_stored": 0, "forward_tokens": 20480}
  })json");
}

bool AtStart(const std::string& step) { return step == kSteps[0]; }

int UniversalInLayer(const std::string& step, int layer) { return AtStart(step) ? 0 : 1 + layer; }

int Universal(const std::string& step) {
  return UniversalInLayer(step, 0) + UniversalInLayer(step, 1);
}

void AddCheckpoint(const std::string& model, const std::string& step, json& study) {
  study["checkpoints"].push_back({{"model", model},
                                  {"step", step},
                                  {"name", "models/x/checkpoints/" + step},
                                  {"weights_sha256", "ab12"},
                                  {"layers", kLayers},
                                  {"d_model", 4},
                                  {"d_mlp", kWidth},
                                  {"vocabulary_size", 256}});
}

void AddCorrelation(const std::string& model, const std::string& step, const std::string& pairing,
                    const Models& models, json& study) {
  json partners = json::array();
  for (const std::string& other : models) {
    if (other != model) partners.push_back(other);
  }
  study["correlations"].push_back({{"model", model},
                                   {"step", step},
                                   {"pairing", pairing},
                                   {"name", "correlations/c0de"},
                                   {"partners", partners},
                                   {"counted_positions", 1024},
                                   {"dead_neurons", 0},
                                   {"max_error", 3.5e-7},
                                   {"mean_error", 2e-8},
                                   {"duration_seconds", 1.25}});
  study["excess"].push_back({{"model", model},
                             {"step", step},
                             {"pairing", pairing},
                             {"low", -1.0},
                             {"width", 0.5},
                             {"counts", {0, 1, 12, 3}},
                             {"scatter",
                              {{"low", -0.2},
                               {"high", 1.0},
                               {"bins", 12},
                               {"cells", {{2, 3, 12}, {3, 9, 3}, {2, 2, 1}}}}}});
}

void AddEmergence(const std::string& model, const std::string& step, double threshold,
                  json& study) {
  study["emergence"].push_back(
      {{"model", model},
       {"step", step},
       {"threshold", threshold},
       {"universal", Universal(step)},
       {"neurons", kLayers * kWidth},
       {"share", Universal(step) / double{kLayers * kWidth}},
       {"layers", {UniversalInLayer(step, 0), UniversalInLayer(step, 1)}}});
}

json Kept(int kept, int universal) {
  return {{"kept", kept},
          {"universal", universal},
          {"persistence", universal == 0 ? json() : json(kept / double(universal))}};
}

void AddPersistence(const std::string& model, const std::string& from, const std::string& to,
                    double threshold, json& study) {
  const bool stay = !AtStart(to);
  json entry = Kept(stay ? Universal(from) : 0, Universal(from));
  entry.update({{"model", model}, {"threshold", threshold}, {"from", from}, {"to", to}});
  for (int layer = 0; layer < kLayers; ++layer) {
    const int universal = UniversalInLayer(from, layer);
    entry["layers"].push_back(Kept(stay ? universal : 0, universal));
  }
  study["persistence"].push_back(std::move(entry));
}

void AddAblation(const std::string& model, const std::string& step, double threshold,
                 const std::string& set, const json& layer, json& study) {
  const bool absent = AtStart(step) && set != "others";
  const bool random = set.rfind("random", 0) == 0;
  json entry = {{"model", model},
                {"step", step},
                {"threshold", threshold},
                {"set", set},
                {"layer", layer},
                {"kind", "zero"},
                {"absent", absent ? json("no universal neurons") : json()},
                {"name", absent ? json() : json("ablations/f00d")},
                {"neurons", absent ? json() : json(3)},
                {"draws", absent ? json() : json(random ? 5 : 1)},
                {"clean_loss", absent ? json() : json(3.25)}};
  for (const std::string measure : {"loss_increase", "kl", "entropy_change", "top1_agreement"}) {
    entry[measure] = absent ? json() : json(set == "others" ? 2.5 : random ? 0.01 : 0.03);
    entry[measure + "_se"] = absent ? json() : json(0.002);
    entry[measure + "_std"] = absent || !random ? json() : json(0.004);
  }
  study["ablations"].push_back(std::move(entry));
}

void AddAblations(const std::string& model, const std::string& step, json& study) {
  for (const std::string set : {"universal", "others", "random", "random_layer_matched"}) {
    for (const double threshold : kThresholds) {
      AddAblation(model, step, threshold, set, json(), study);
    }
    // An empty set is said to be absent once.
    if (AtStart(step) || set == "others" || set == "random") continue;
    for (int layer = 0; layer < kLayers; ++layer) {
      AddAblation(model, step, kMain, set, layer, study);
    }
  }
}

void AddFamilies(const std::string& step, double threshold, const Models& models, json& study) {
  json members = json::array();
  for (const std::string& model : models) {
    members.push_back({{"model", model}, {"layer", 1}, {"neuron", 7}});
  }
  json entry = {{"step", step}, {"threshold", threshold}, {"count", 0}};
  entry["sizes"] = json::array();
  entry["largest"] = json::array();
  if (!AtStart(step)) {
    entry["count"] = 1;
    entry["sizes"].push_back({{"size", models.size()}, {"count", 1}});
    entry["largest"].push_back(
        {{"index", 0}, {"size", models.size()}, {"mean_excess", 0.7}, {"members", members}});
  }
  study["families"].push_back(std::move(entry));
}

// Neurons of `from`: two more than become universal have a best partner that is, and one of those
// that were universal has not.
void AddLineage(const std::string& model, const std::string& from, const std::string& to,
                json& study) {
  const int ceased = Universal(from) > 0 ? 1 : 0, stayed = Universal(from) - ceased;
  const int became = Universal(to) + 2;
  study["lineage"].push_back({{"model", model},
                              {"from", from},
                              {"to", to},
                              {"threshold", kMain},
                              {"became", became},
                              {"stayed", stayed},
                              {"ceased", ceased},
                              {"never", kLayers * kWidth - became - stayed - ceased}});
}

void AddModel(const std::string& model, const Models& models, json& study) {
  for (const std::string step : kSteps) {
    AddCheckpoint(model, step, study);
    AddCorrelation(model, step, "best", models, study);
    if (step == kSteps[2]) AddCorrelation(model, step, "same_index", models, study);
    AddAblations(model, step, study);
    for (const double threshold : kThresholds) {
      AddEmergence(model, step, threshold, study);
      for (const char* to : kSteps) AddPersistence(model, step, to, threshold, study);
    }
  }
  AddLineage(model, kSteps[0], kSteps[1], study);
  AddLineage(model, kSteps[1], kSteps[2], study);
}

}  // namespace

json SmallStudy(const std::vector<std::string>& models) {
  json study = Frame();
  study["models"] = models;
  study["steps"] = kSteps;
  study["thresholds"] = kThresholds;
  for (const std::string& model : models) AddModel(model, models, study);
  for (const char* step : kSteps) AddFamilies(step, kMain, models, study);
  return study;
}

json EmptyStudy() { return Frame(); }

}  // namespace homolog::testing
