#include "server/training/report.h"

#include <nlohmann/json.hpp>

namespace homolog::training {
namespace {

std::optional<double> Number(const nlohmann::json& json, const char* key) {
  const auto it = json.find(key);
  if (it == json.end() || !it->is_number()) return std::nullopt;
  return it->get<double>();
}

}  // namespace

std::string SerializeReport(const Report& report) {
  nlohmann::json json = {
      {"seed", report.seed}, {"step", report.step}, {"checkpoint", report.checkpoint}};
  if (report.training_loss) json["training_loss"] = *report.training_loss;
  if (report.held_out_loss) json["held_out_loss"] = *report.held_out_loss;
  return json.dump();
}

std::optional<Report> ParseReport(std::string_view line) {
  const nlohmann::json json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("seed") || !json["seed"].is_number_integer() ||
      !json.contains("step") || !json["step"].is_number_integer()) {
    return std::nullopt;
  }
  Report report;
  report.seed = json["seed"].get<int64_t>();
  report.step = json["step"].get<int64_t>();
  report.checkpoint = json.value("checkpoint", nlohmann::json(false)) == true;
  report.training_loss = Number(json, "training_loss");
  report.held_out_loss = Number(json, "held_out_loss");
  return report;
}

}  // namespace homolog::training
