// Typed, bounded reading of a Hugging Face config.json.
//
// Thread-safety: belongs to one thread at a time.
#ifndef HOMOLOG_SERVER_ENGINE_CONFIG_READER_H_
#define HOMOLOG_SERVER_ENGINE_CONFIG_READER_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace homolog::engine {

// Collects the first thing that is wrong instead of failing at every read, so that a family reads
// its settings one per line and asks for the status once.
class ConfigReader {
 public:
  // `config` outlives the reader.
  explicit ConfigReader(const nlohmann::json& config) : ConfigReader(config, "") {}

  // A size from 1 to `limit`. `fallback` where the key is absent or null; 0: the key is required.
  int64_t Size(const std::string& key, int64_t limit, int64_t fallback = 0);
  bool Bool(const std::string& key, bool fallback);
  // A number > 0; absent where the key is absent or null.
  std::optional<double> Positive(const std::string& key);
  double Positive(const std::string& key, double fallback) {
    return Positive(key).value_or(fallback);
  }
  std::string String(const std::string& key, const std::string& fallback);
  // Whether the key has a value that is not null, false, or an empty list or object.
  bool Has(const std::string& key) const;
  // The object under `key` as a config of its own, an empty one where the key is absent or null;
  // what is wrong in it is recorded here once MergeStatus is called. It outlives neither this
  // reader nor the config.
  ConfigReader Section(const std::string& key);
  void MergeStatus(const ConfigReader& section);
  // Records that `key` has a value we do not support, and what would be right.
  void Refuse(const std::string& key, const std::string& right);

  // INVALID_ARGUMENT (reason UNSUPPORTED_CONFIG) for the first thing that was wrong.
  const absl::Status& status() const { return status_; }

 private:
  ConfigReader(const nlohmann::json& config, std::string path);
  const nlohmann::json* Find(const std::string& key) const;
  const nlohmann::json& config_;
  const std::string path_;  // of a section, "rope_parameters."
  absl::Status status_;
};

}  // namespace homolog::engine

#endif  // HOMOLOG_SERVER_ENGINE_CONFIG_READER_H_
