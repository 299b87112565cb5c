#include "client/cli/neuron_set.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "common/text.h"

namespace homolog::cli {
namespace {

constexpr std::string_view kFamily = "family:";

absl::Status BadUsage(std::string_view message) { return InvalidArgument("BAD_USAGE", message); }

absl::Status NoSet(std::string_view text) {
  return BadUsage("--neurons: " + Quoted(text) +
                  " is not universal, others, random, random_layer_matched, family:N or "
                  "LAYER:INDEX,...");
}

bool ParseInt(std::string_view text, int32_t* value) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, *value);
  return result.ec == std::errc() && result.ptr == end;
}

std::vector<std::string_view> SplitByComma(std::string_view text) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t comma = text.find(',');
    parts.push_back(text.substr(0, comma));
    if (comma == text.npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

absl::Status AddNeuron(std::string_view text, v1::ExplicitNeurons& neurons) {
  const size_t colon = text.find(':');
  int32_t layer = 0;
  int32_t neuron = 0;
  if (colon == text.npos || !ParseInt(text.substr(0, colon), &layer) ||
      !ParseInt(text.substr(colon + 1), &neuron)) {
    return NoSet(text);
  }
  v1::NeuronId& id = *neurons.add_neurons();
  id.set_layer(layer);
  id.set_neuron(neuron);
  return absl::OkStatus();
}

absl::StatusOr<v1::NeuronSet> ParseExplicit(const NeuronSetArguments& arguments) {
  v1::NeuronSet set;
  for (const std::string_view part : SplitByComma(arguments.neurons)) {
    HOMOLOG_RETURN_IF_ERROR(AddNeuron(part, *set.mutable_explicit_()));
  }
  if (!arguments.correlation.empty() || !arguments.thresholds.empty() ||
      !arguments.families.empty() || arguments.rule != v1::UNIVERSALITY_RULE_UNSPECIFIED) {
    return BadUsage(
        "--correlation, --threshold, --rule and --families do not go with neurons named one by "
        "one");
  }
  return set;
}

absl::StatusOr<v1::NeuronSet> ParseFamily(std::string_view word,
                                          const NeuronSetArguments& arguments) {
  v1::NeuronSet set;
  int32_t index = 0;
  if (!ParseInt(word.substr(kFamily.size()), &index)) return NoSet(word);
  if (arguments.families.empty()) {
    return BadUsage("--neurons " + std::string(word) + " needs --families");
  }
  HOMOLOG_ASSIGN_OR_RETURN(*set.mutable_family()->mutable_families(),
                           ExpandName(kFamilies, arguments.families));
  set.mutable_family()->set_family(index);
  return set;
}

v1::RandomNeurons Random(const NeuronSetArguments& arguments,
                         const v1::UniversalNeurons& universal) {
  v1::RandomNeurons random;
  *random.mutable_universal() = universal;
  random.set_draws(arguments.draws.value_or(0));
  random.set_seed(arguments.seed.value_or(0));
  return random;
}

// A set that follows from a correlation.
absl::StatusOr<v1::NeuronSet> ParseWord(std::string_view word, std::optional<double> threshold,
                                        const NeuronSetArguments& arguments) {
  v1::UniversalNeurons universal;
  HOMOLOG_ASSIGN_OR_RETURN(*universal.mutable_correlation(),
                           ExpandName(kCorrelations, arguments.correlation));
  if (threshold) universal.set_threshold(*threshold);
  universal.set_rule(arguments.rule);
  v1::NeuronSet set;
  if (word == "universal") {
    *set.mutable_universal() = universal;
  } else if (word == "others") {
    *set.mutable_others() = universal;
  } else if (word == "random") {
    *set.mutable_random() = Random(arguments, universal);
  } else {
    *set.mutable_random_layer_matched() = Random(arguments, universal);
  }
  return set;
}

bool FollowsFromACorrelation(std::string_view word) {
  return word == "universal" || word == "others" || word == "random" ||
         word == "random_layer_matched";
}

absl::Status CheckWords(const std::vector<std::string_view>& words,
                        const NeuronSetArguments& arguments) {
  bool is_random = false, follows = false, has_family = false;
  for (const std::string_view word : words) {
    const bool is_family = word.substr(0, kFamily.size()) == kFamily;
    if (!is_family && !FollowsFromACorrelation(word)) return NoSet(word);
    is_random = is_random || word.substr(0, 6) == "random";
    follows = follows || !is_family;
    has_family = has_family || is_family;
  }
  if (!is_random && (arguments.draws || arguments.seed)) {
    return BadUsage("--draws and --seed go with random neurons only");
  }
  if (!follows && (!arguments.correlation.empty() || !arguments.thresholds.empty() ||
                   arguments.rule != v1::UNIVERSALITY_RULE_UNSPECIFIED)) {
    return BadUsage("--correlation, --threshold and --rule do not go with families");
  }
  if (!has_family && !arguments.families.empty()) {
    return BadUsage("--families goes with family:N only");
  }
  if (follows && arguments.correlation.empty()) {
    return BadUsage("--neurons " + arguments.neurons + " needs --correlation");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<v1::NeuronSet>> ParseNeuronSets(const NeuronSetArguments& arguments) {
  const std::vector<std::string_view> words = SplitByComma(arguments.neurons);
  std::vector<v1::NeuronSet> sets;
  if (!words[0].empty() && (words[0][0] == '-' || (words[0][0] >= '0' && words[0][0] <= '9'))) {
    if (arguments.draws || arguments.seed) {
      return BadUsage("--draws and --seed go with random neurons only");
    }
    HOMOLOG_ASSIGN_OR_RETURN(v1::NeuronSet set, ParseExplicit(arguments));
    sets.push_back(std::move(set));
    return sets;
  }
  HOMOLOG_RETURN_IF_ERROR(CheckWords(words, arguments));
  std::vector<std::optional<double>> thresholds(arguments.thresholds.begin(),
                                                arguments.thresholds.end());
  if (thresholds.empty()) thresholds.push_back(std::nullopt);
  for (const std::string_view word : words) {
    if (!FollowsFromACorrelation(word)) {
      HOMOLOG_ASSIGN_OR_RETURN(v1::NeuronSet set, ParseFamily(word, arguments));
      sets.push_back(std::move(set));
      continue;
    }
    for (const std::optional<double> threshold : thresholds) {
      HOMOLOG_ASSIGN_OR_RETURN(v1::NeuronSet set, ParseWord(word, threshold, arguments));
      sets.push_back(std::move(set));
    }
  }
  return sets;
}

std::string NeuronSetText(const v1::NeuronSet& set, Style style) {
  switch (set.set_case()) {
    case v1::NeuronSet::kUniversal:
      return "universal";
    case v1::NeuronSet::kOthers:
      return "others";
    case v1::NeuronSet::kRandom:
      return "random";
    case v1::NeuronSet::kRandomLayerMatched:
      return "random_layer_matched";
    case v1::NeuronSet::kFamily:
      return absl::StrCat("family:", set.family().family());
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

const v1::UniversalNeurons* UniversalOf(const v1::NeuronSet& set) {
  switch (set.set_case()) {
    case v1::NeuronSet::kUniversal:
      return &set.universal();
    case v1::NeuronSet::kOthers:
      return &set.others();
    case v1::NeuronSet::kRandom:
      return &set.random().universal();
    case v1::NeuronSet::kRandomLayerMatched:
      return &set.random_layer_matched().universal();
    default:
      return nullptr;
  }
}

}  // namespace homolog::cli
