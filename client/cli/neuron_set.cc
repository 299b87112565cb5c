#include "client/cli/neuron_set.h"

#include <charconv>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "common/text.h"

namespace homolog::cli {
namespace {

absl::Status BadUsage(std::string_view message) { return InvalidArgument("BAD_USAGE", message); }

bool ParseInt(std::string_view text, int32_t* value) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *value);
  return result.ec == std::errc() && result.ptr == end;
}

absl::Status AddNeuron(std::string_view text, v1::ExplicitNeurons& neurons) {
  const size_t colon = text.find(':');
  int32_t layer = 0;
  int32_t neuron = 0;
  if (colon == text.npos || !ParseInt(text.substr(0, colon), &layer) ||
      !ParseInt(text.substr(colon + 1), &neuron)) {
    return BadUsage("--neurons: " + Quoted(text) +
                    " is not universal, others, random or LAYER:INDEX,...");
  }
  v1::NeuronId& id = *neurons.add_neurons();
  id.set_layer(layer);
  id.set_neuron(neuron);
  return absl::OkStatus();
}

absl::StatusOr<v1::NeuronSet> ParseExplicit(const NeuronSetArguments& arguments) {
  v1::NeuronSet set;
  std::string_view rest = arguments.neurons;
  while (true) {
    const size_t comma = rest.find(',');
    HOMOLOG_RETURN_IF_ERROR(AddNeuron(rest.substr(0, comma), *set.mutable_explicit_()));
    if (comma == rest.npos) break;
    rest.remove_prefix(comma + 1);
  }
  if (!arguments.correlation.empty() || arguments.threshold ||
      arguments.rule != v1::UNIVERSALITY_RULE_UNSPECIFIED) {
    return BadUsage(
        "--correlation, --threshold and --rule do not go with neurons named one by one");
  }
  return set;
}

absl::StatusOr<v1::UniversalNeurons> ParseUniversal(const NeuronSetArguments& arguments) {
  if (arguments.correlation.empty()) {
    return BadUsage("--neurons " + arguments.neurons + " needs --correlation");
  }
  v1::UniversalNeurons universal;
  HOMOLOG_ASSIGN_OR_RETURN(*universal.mutable_correlation(),
                           ExpandName(kCorrelations, arguments.correlation));
  if (arguments.threshold) universal.set_threshold(*arguments.threshold);
  universal.set_rule(arguments.rule);
  return universal;
}

}  // namespace

absl::StatusOr<v1::NeuronSet> ParseNeuronSet(const NeuronSetArguments& arguments) {
  const bool is_random = arguments.neurons == "random";
  if (!is_random && (arguments.draws || arguments.seed)) {
    return BadUsage("--draws and --seed go with --neurons random only");
  }
  v1::NeuronSet set;
  if (is_random) {
    HOMOLOG_ASSIGN_OR_RETURN(*set.mutable_random()->mutable_universal(), ParseUniversal(arguments));
    set.mutable_random()->set_draws(arguments.draws.value_or(0));
    set.mutable_random()->set_seed(arguments.seed.value_or(0));
  } else if (arguments.neurons == "universal") {
    HOMOLOG_ASSIGN_OR_RETURN(*set.mutable_universal(), ParseUniversal(arguments));
  } else if (arguments.neurons == "others") {
    HOMOLOG_ASSIGN_OR_RETURN(*set.mutable_others(), ParseUniversal(arguments));
  } else {
    return ParseExplicit(arguments);
  }
  return set;
}

std::string NeuronSetText(const v1::NeuronSet& set, Style style) {
  switch (set.set_case()) {
    case v1::NeuronSet::kUniversal:
      return "universal";
    case v1::NeuronSet::kOthers:
      return "others";
    case v1::NeuronSet::kRandom:
      return "random";
    case v1::NeuronSet::kExplicit:
      break;
    default:
      return "";
  }
  const auto append = [](std::string* out, const v1::NeuronId& id) {
    absl::StrAppend(out, id.layer(), ":", id.neuron());
  };
  const std::string text = absl::StrJoin(set.explicit_().neurons(), ",", append);
  return CutText(text, style);
}

}  // namespace homolog::cli
