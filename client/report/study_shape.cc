#include "client/report/study_shape.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "common/error.h"
#include "common/text.h"

namespace homolog::report {
namespace {

using nlohmann::json;

constexpr char kFormat[] = "homolog-study/1";

// A string names a type, with "?" behind it where null may stand for "there is none". [x] is a list
// of x, [x, y, ..] a list of that many, {..} an object with at least these fields, or null where
// "?" is among them.
constexpr char kShape[] = R"json({
  "format": "string", "homolog_version": "string", "generated": "string", "name": "string",
  "create_time": "string", "duration_seconds": "number",
  "models": ["string"], "steps": ["string"], "thresholds": ["number"],
  "main_threshold": "number", "rule": "string",
  "dataset": {"name": "string", "sha256": "string", "sequence_length": "number",
              "sequence_count": "number", "token_count": "number"},
  "ablation_dataset": {"?": "", "name": "string", "sha256": "string", "sequence_length": "number",
                       "sequence_count": "number"},
  "parameters": {"site": "string", "baseline": "string", "rotations": "number", "seed": "number",
                 "precision": "string", "excluded_token_ids": ["number"],
                 "ablation_kind": "string", "ablation_value": "number?", "draws": "number",
                 "ablation_seed": "number"},
  "checkpoints": [{"model": "string", "step": "string", "name": "string",
                   "weights_sha256": "string", "layers": "number", "d_model": "number",
                   "d_mlp": "number", "vocabulary_size": "number"}],
  "correlations": [{"model": "string", "step": "string", "pairing": "string", "name": "string",
                    "partners": ["string"], "counted_positions": "number",
                    "dead_neurons": "number", "max_error": "number", "mean_error": "number",
                    "duration_seconds": "number"}],
  "emergence": [{"model": "string", "step": "string", "threshold": "number",
                 "universal": "number", "neurons": "number", "share": "number",
                 "layers": ["number"]}],
  "persistence": [{"model": "string", "threshold": "number", "from": "string", "to": "string",
                   "kept": "number", "universal": "number", "persistence": "number?",
                   "layers": [{"kept": "number", "universal": "number",
                               "persistence": "number?"}]}],
  "ablations": [{"model": "string", "step": "string", "threshold": "number", "set": "string",
                 "layer": "number?", "absent": "string?", "name": "string?", "kind": "string",
                 "neurons": "number?", "draws": "number?", "clean_loss": "number?",
                 "loss_increase": "number?", "loss_increase_se": "number?",
                 "loss_increase_std": "number?", "kl": "number?", "kl_se": "number?",
                 "kl_std": "number?", "entropy_change": "number?",
                 "entropy_change_se": "number?", "entropy_change_std": "number?",
                 "top1_agreement": "number?", "top1_agreement_se": "number?",
                 "top1_agreement_std": "number?"}],
  "excess": [{"model": "string", "step": "string", "pairing": "string", "low": "number",
              "width": "number", "counts": ["number"],
              "scatter": {"low": "number", "high": "number", "bins": "number",
                          "cells": [["number", "number", "number"]]}}],
  "families": [{"step": "string", "threshold": "number", "count": "number",
                "sizes": [{"size": "number", "count": "number"}],
                "largest": [{"index": "number", "size": "number", "mean_excess": "number",
                             "members": [{"model": "string", "layer": "number",
                                          "neuron": "number"}]}]}],
  "lineage": [{"model": "string", "from": "string", "to": "string", "threshold": "number",
               "became": "number", "stayed": "number", "ceased": "number", "never": "number"}],
  "cost": {"correlations_computed": "number", "correlations_stored": "number",
           "ablations_computed": "number", "ablations_stored": "number",
           "forward_tokens": "number"}
})json";

// The path is put together only where something is wrong, from the inside out.
struct Flaw {
  std::string path, problem;
};

std::optional<Flaw> CheckValue(const json& value, const json& shape);

std::string Expected(std::string_view type) {
  const bool optional = type.back() == '?';
  if (optional) type.remove_suffix(1);
  return "a " + std::string(type) + (optional ? " or null" : "");
}

bool HasType(const json& value, std::string_view type) {
  if (type.back() == '?') {
    if (value.is_null()) return true;
    type.remove_suffix(1);
  }
  return type == "number" ? value.is_number() : value.is_string();
}

std::optional<Flaw> CheckType(const json& value, const std::string& type) {
  if (HasType(value, type)) return std::nullopt;
  return Flaw{"", "is a JSON " + std::string(value.type_name()) + "; it must be " + Expected(type)};
}

std::optional<Flaw> CheckObject(const json& value, const json& shape) {
  if (value.is_null() && shape.contains("?")) return std::nullopt;
  if (!value.is_object()) return Flaw{"", "must be an object"};
  for (const auto& [name, inner] : shape.items()) {
    if (name == "?") continue;
    const auto found = value.find(name);
    if (found == value.end()) return Flaw{"." + name, "is absent"};
    if (auto flaw = CheckValue(*found, inner)) return Flaw{"." + name + flaw->path, flaw->problem};
  }
  return std::nullopt;
}

std::optional<Flaw> CheckList(const json& value, const json& shape) {
  if (!value.is_array()) return Flaw{"", "must be a list"};
  if (shape.size() > 1 && value.size() != shape.size()) {
    return Flaw{"", "has " + std::to_string(value.size()) + " entries; it must have " +
                        std::to_string(shape.size())};
  }
  for (size_t i = 0; i < value.size(); ++i) {
    if (auto flaw = CheckValue(value[i], shape[shape.size() > 1 ? i : 0])) {
      return Flaw{"[" + std::to_string(i) + "]" + flaw->path, flaw->problem};
    }
  }
  return std::nullopt;
}

std::optional<Flaw> CheckValue(const json& value, const json& shape) {
  if (shape.is_object()) return CheckObject(value, shape);
  if (shape.is_array()) return CheckList(value, shape);
  return CheckType(value, shape.get_ref<const std::string&>());
}

}  // namespace

absl::Status CheckStudy(const nlohmann::json& study) {
  static const auto* const shape = new json(json::parse(kShape));
  if (const auto flaw = CheckValue(study, *shape)) {
    const std::string field = flaw->path.empty() ? "" : flaw->path.substr(1);
    return InvalidArgument("MALFORMED_STUDY",
                           field.empty() ? "the study " + flaw->problem
                                         : "the study's field " + field + " " + flaw->problem,
                           {{"field", field}});
  }
  const auto& format = study["format"].get_ref<const std::string&>();
  if (format == kFormat) return absl::OkStatus();
  return InvalidArgument(
      "MALFORMED_STUDY",
      "the study's field format is " + Quoted(format) + "; it must be " + Quoted(kFormat),
      {{"field", "format"}});
}

}  // namespace homolog::report
