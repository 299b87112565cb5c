#include "client/report/tables.h"

#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "common/csv.h"

namespace homolog::report {
namespace {

using nlohmann::json;
using Columns = std::vector<std::string>;

std::string Text(const json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::string joined;
  for (const json& one : value) joined += (joined.empty() ? "" : " ") + Text(one);
  return joined;
}

// The edge of a bin, without the digits that rounding leaves behind: 0.02, not
// 0.020000000000000018.
std::string Edge(double low, double width, int64_t bin) {
  constexpr double kDigits = 1e9;
  const double edge = low + width * static_cast<double>(bin);
  return absl::StrFormat("%.12g", std::round(edge * kDigits) / kDigits + 0.0);  // never "-0"
}

Columns Fields(const json& entry, const Columns& names) {
  Columns fields;
  for (const std::string& name : names) fields.push_back(Text(entry[name]));
  return fields;
}

Columns Joined(Columns fields, const Columns& more) {
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

Table FlatTable(const json& study, const std::string& list, const Columns& columns) {
  Table table{list, CsvLine(columns)};
  for (const json& entry : study[list]) table.csv += CsvLine(Fields(entry, columns));
  return table;
}

Table EmergenceByLayer(const json& study) {
  const Columns shared = {"model", "step", "threshold"};
  Table table{"emergence_by_layer",
              CsvLine(Joined(shared, {"layer", "universal", "neurons", "share"}))};
  for (const json& entry : study["emergence"]) {
    const json& layers = entry["layers"];
    // Every layer of a model has as many neurons as any other.
    const int64_t neurons =
        layers.empty() ? 0 : entry["neurons"].get<int64_t>() / static_cast<int64_t>(layers.size());
    for (size_t layer = 0; layer < layers.size(); ++layer) {
      const json share = neurons == 0 ? json() : json(layers[layer].get<double>() / neurons);
      table.csv +=
          CsvLine(Joined(Fields(entry, shared), {std::to_string(layer), Text(layers[layer]),
                                                 std::to_string(neurons), Text(share)}));
    }
  }
  return table;
}

Table PersistenceByLayer(const json& study) {
  const Columns shared = {"model", "threshold", "from", "to"};
  const Columns own = {"kept", "universal", "persistence"};
  Table table{"persistence_by_layer", CsvLine(Joined(Joined(shared, {"layer"}), own))};
  for (const json& entry : study["persistence"]) {
    int layer = 0;
    for (const json& one : entry["layers"]) {
      table.csv += CsvLine(
          Joined(Joined(Fields(entry, shared), {std::to_string(layer++)}), Fields(one, own)));
    }
  }
  return table;
}

Table ExcessHistogram(const json& study) {
  const Columns shared = {"model", "step", "pairing"};
  Table table{"excess_histogram", CsvLine(Joined(shared, {"low", "high", "count"}))};
  for (const json& entry : study["excess"]) {
    const double low = entry["low"].get<double>(), width = entry["width"].get<double>();
    int64_t bin = 0;
    for (const json& count : entry["counts"]) {
      table.csv += CsvLine(Joined(Fields(entry, shared),
                                  {Edge(low, width, bin), Edge(low, width, bin + 1), Text(count)}));
      ++bin;
    }
  }
  return table;
}

Table Scatter(const json& study) {
  const Columns shared = {"model", "step", "pairing"};
  Table table{"scatter", CsvLine(Joined(shared, {"baseline_low", "baseline_high", "max_corr_low",
                                                 "max_corr_high", "count"}))};
  for (const json& entry : study["excess"]) {
    const json& scatter = entry["scatter"];
    const double low = scatter["low"].get<double>();
    const double width = (scatter["high"].get<double>() - low) / scatter["bins"].get<double>();
    for (const json& cell : scatter["cells"]) {
      const auto x = cell[0].get<int64_t>(), y = cell[1].get<int64_t>();
      table.csv += CsvLine(Joined(
          Fields(entry, shared), {Edge(low, width, x), Edge(low, width, x + 1), Edge(low, width, y),
                                  Edge(low, width, y + 1), Text(cell[2])}));
    }
  }
  return table;
}

// How many families there are of each size.
Table Families(const json& study) {
  const Columns shared = {"step", "threshold"}, own = {"size", "count"};
  Table table{"families", CsvLine(Joined(shared, own))};
  for (const json& entry : study["families"]) {
    for (const json& size : entry["sizes"]) {
      table.csv += CsvLine(Joined(Fields(entry, shared), Fields(size, own)));
    }
  }
  return table;
}

// One line per neuron of the largest families.
Table FamilyMembers(const json& study) {
  const Columns shared = {"step", "threshold"}, family = {"index", "size", "mean_excess"},
                member = {"model", "layer", "neuron"};
  Table table{"family_members", CsvLine(Joined(Joined(shared, family), member))};
  for (const json& entry : study["families"]) {
    for (const json& one : entry["largest"]) {
      const Columns known = Joined(Fields(entry, shared), Fields(one, family));
      for (const json& neuron : one["members"]) {
        table.csv += CsvLine(Joined(known, Fields(neuron, member)));
      }
    }
  }
  return table;
}

Table Ablations(const json& study) {
  Columns columns = {"model", "step", "threshold", "set",   "layer",     "absent",
                     "name",  "kind", "neurons",   "draws", "clean_loss"};
  for (const char* measure : {"loss_increase", "kl", "entropy_change", "top1_agreement"}) {
    for (const char* what : {"", "_se", "_std"}) columns.push_back(std::string(measure) + what);
  }
  return FlatTable(study, "ablations", columns);
}

}  // namespace

std::vector<Table> StudyTables(const nlohmann::json& study) {
  return {
      FlatTable(study, "checkpoints",
                {"model", "step", "name", "weights_sha256", "layers", "d_model", "d_mlp",
                 "vocabulary_size"}),
      FlatTable(study, "correlations",
                {"model", "step", "pairing", "name", "partners", "counted_positions",
                 "dead_neurons", "max_error", "mean_error", "duration_seconds"}),
      FlatTable(study, "emergence",
                {"model", "step", "threshold", "universal", "neurons", "share"}),
      EmergenceByLayer(study),
      FlatTable(study, "persistence",
                {"model", "threshold", "from", "to", "kept", "universal", "persistence"}),
      PersistenceByLayer(study),
      Ablations(study),
      ExcessHistogram(study),
      Scatter(study),
      Families(study),
      FamilyMembers(study),
      FlatTable(study, "lineage",
                {"model", "from", "to", "threshold", "became", "stayed", "ceased", "never"}),
  };
}

}  // namespace homolog::report
