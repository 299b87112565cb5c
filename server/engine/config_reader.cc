#include "server/engine/config_reader.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"

namespace homolog::engine {

namespace {

const nlohmann::json kNothing = nlohmann::json::object();

}  // namespace

ConfigReader::ConfigReader(const nlohmann::json& config, std::string path)
    : config_(config), path_(std::move(path)) {}

bool ConfigReader::Has(const std::string& key) const {
  const nlohmann::json* value = Find(key);
  if (value == nullptr || *value == false) return false;
  return !value->is_structured() || !value->empty();
}

ConfigReader ConfigReader::Section(const std::string& key) {
  const nlohmann::json* value = Find(key);
  if (value != nullptr && !value->is_object()) Refuse(key, "it must be an object");
  const bool usable = value != nullptr && value->is_object();
  return ConfigReader(usable ? *value : kNothing, path_ + key + ".");
}

void ConfigReader::MergeStatus(const ConfigReader& section) { status_.Update(section.status_); }

const nlohmann::json* ConfigReader::Find(const std::string& key) const {
  const auto it = config_.find(key);
  return it == config_.end() || it->is_null() ? nullptr : &*it;
}

void ConfigReader::Refuse(const std::string& key, const std::string& right) {
  if (!status_.ok()) return;
  const nlohmann::json* value = Find(key);
  const std::string shown =
      value == nullptr
          ? "is missing"
          : absl::StrCat(
                "is ",
                value->dump(-1, ' ', true, nlohmann::json::error_handler_t::replace).substr(0, 80));
  status_ = InvalidArgument("UNSUPPORTED_CONFIG",
                            absl::StrCat("config.json: \"", path_, key, "\" ", shown, "; ", right),
                            {{"key", path_ + key}});
}

int64_t ConfigReader::Size(const std::string& key, int64_t limit, int64_t fallback) {
  const nlohmann::json* value = Find(key);
  if (value == nullptr && fallback > 0) return fallback;
  if (value != nullptr && value->is_number_integer()) {
    // An unsigned value beyond int64 turns negative here, and is refused below.
    const int64_t size = value->get<int64_t>();
    if (size >= 1 && size <= limit) return size;
  }
  Refuse(key, absl::StrCat("it must be an integer from 1 to ", limit));
  return 1;
}

bool ConfigReader::Bool(const std::string& key, bool fallback) {
  const nlohmann::json* value = Find(key);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  Refuse(key, "it must be true or false");
  return fallback;
}

std::optional<double> ConfigReader::Positive(const std::string& key) {
  const nlohmann::json* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) {
    const double number = value->get<double>();
    if (number > 0 && std::isfinite(number)) return number;
  }
  Refuse(key, "it must be a number above 0");
  return std::nullopt;
}

std::string ConfigReader::String(const std::string& key, const std::string& fallback) {
  const nlohmann::json* value = Find(key);
  if (value == nullptr) return fallback;
  if (value->is_string()) return value->get<std::string>();
  Refuse(key, "it must be a string");
  return fallback;
}

}  // namespace homolog::engine
