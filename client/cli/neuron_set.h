// Sets of neurons as people type and read them.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_CLIENT_CLI_NEURON_SET_H_
#define HOMOLOG_CLIENT_CLI_NEURON_SET_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "client/cli/text.h"
#include "homolog/v1/ablation.pb.h"

namespace homolog::cli {

struct NeuronSetArguments {
  std::string neurons;      // universal, others, random or LAYER:INDEX,...
  std::string correlation;  // as typed; for all but LAYER:INDEX
  std::optional<double> threshold;
  v1::UniversalityRule rule = v1::UNIVERSALITY_RULE_UNSPECIFIED;
  std::optional<int32_t> draws;  // for random, as is the seed
  std::optional<uint64_t> seed;
};

// INVALID_ARGUMENT (BAD_USAGE) for flags that do not go together.
absl::StatusOr<v1::NeuronSet> ParseNeuronSet(const NeuronSetArguments& arguments);

// "universal", "others", "random" or "0:5,1:9".
std::string NeuronSetText(const v1::NeuronSet& set, Style style);

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_NEURON_SET_H_
