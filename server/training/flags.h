// Flags whose values are read strictly and refused by name, value and what would be right.
//
// Thread-safety: belongs to one thread at a time.
#ifndef HOMOLOG_SERVER_TRAINING_FLAGS_H_
#define HOMOLOG_SERVER_TRAINING_FLAGS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace homolog::training {

// Adds flags to a CLI::App. Each writes its target where it is given; what the target holds before
// is its default and shown in the help. Targets outlive the parsing.
class Flags {
 public:
  // `app` outlives the flags.
  explicit Flags(CLI::App& app) : app_(app) {}

  CLI::Option* Integer(const std::string& name, int64_t& target, const std::string& help);
  CLI::Option* Number(const std::string& name, double& target, const std::string& help);
  // Integers with commas between them.
  CLI::Option* Integers(const std::string& name, std::vector<int64_t>& target,
                        const std::string& help);
  CLI::Option* Text(const std::string& name, std::string& target, const std::string& help);

  // The first value that could not be read: INVALID_ARGUMENT (reason INVALID_FLAG).
  const absl::Status& status() const { return status_; }

 private:
  void Refuse(const std::string& name, const std::string& value, const std::string& right);

  CLI::App& app_;
  absl::Status status_;
};

}  // namespace homolog::training

#endif  // HOMOLOG_SERVER_TRAINING_FLAGS_H_
