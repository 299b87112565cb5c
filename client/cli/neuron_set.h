// Sets of neurons as people type and read them.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_CLIENT_CLI_NEURON_SET_H_
#define HOMOLOG_CLIENT_CLI_NEURON_SET_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/text.h"
#include "homolog/v1/ablation.pb.h"

namespace homolog::cli {

struct NeuronSetArguments {
  // LAYER:INDEX,... for one set of these neurons; else words, each a set: universal, others,
  // random, random_layer_matched, family:N.
  std::string neurons;
  std::string correlation;         // as typed; for all but LAYER:INDEX and family
  std::vector<double> thresholds;  // a set for each; none: the server's default
  v1::UniversalityRule rule = v1::UNIVERSALITY_RULE_UNSPECIFIED;
  std::optional<int32_t> draws;  // for random ones, as is the seed
  std::optional<uint64_t> seed;
  std::string families;  // as typed; for family
};

// Word by word, threshold by threshold. INVALID_ARGUMENT (BAD_USAGE) for words that are none and
// flags that do not go together.
absl::StatusOr<std::vector<v1::NeuronSet>> ParseNeuronSets(const NeuronSetArguments& arguments);

// "universal", "others", "random", "random_layer_matched", "family:3" or "0:5,1:9".
std::string NeuronSetText(const v1::NeuronSet& set, Style style);

// What says which neurons are universal; null for sets that do not go by it.
const v1::UniversalNeurons* UniversalOf(const v1::NeuronSet& set);

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_NEURON_SET_H_
