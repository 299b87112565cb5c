#include "server/results/neuron_order.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/error.h"
#include "common/text.h"

namespace homolog::results {
namespace {

using Field = double (*)(const QueriedNeuron&);

constexpr std::pair<absl::string_view, Field> kFields[] = {
    {"layer", [](const QueriedNeuron& n) { return static_cast<double>(n.layer); }},
    {"neuron", [](const QueriedNeuron& n) { return static_cast<double>(n.neuron); }},
    {"max_corr", [](const QueriedNeuron& n) { return n.excess.max_corr; }},
    {"min_corr", [](const QueriedNeuron& n) { return n.excess.min_corr; }},
    {"baseline", [](const QueriedNeuron& n) { return n.excess.baseline; }},
    {"excess_corr", [](const QueriedNeuron& n) { return n.excess.excess; }},
};

struct Key {
  Field field;
  bool descending;
};

absl::StatusOr<Key> ParseKey(absl::string_view text) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(absl::StripAsciiWhitespace(text), ' ', absl::SkipEmpty());
  const bool direction_ok =
      words.size() == 1 || (words.size() == 2 && (words[1] == "desc" || words[1] == "asc"));
  for (const auto& [name, field] : kFields) {
    if (direction_ok && words[0] == name) {
      return Key{field, words.size() == 2 && words[1] == "desc"};
    }
  }
  return InvalidArgument(
      "INVALID_ORDER_BY",
      absl::StrCat(
          "order_by has ", Quoted(std::string_view(text.data(), text.size())),
          "; must be layer, neuron, max_corr, min_corr, baseline or excess_corr, each with "
          "an optional \" desc\", separated by commas"));
}

}  // namespace

absl::Status SortNeurons(const std::string& order_by, std::vector<QueriedNeuron>& neurons) {
  std::vector<Key> keys;
  for (const absl::string_view part :
       absl::StrSplit(order_by.empty() ? "excess_corr desc" : order_by, ',')) {
    HOMOLOG_ASSIGN_OR_RETURN(const Key key, ParseKey(part));
    keys.push_back(key);
  }
  auto less = [&](const QueriedNeuron& a, const QueriedNeuron& b) {
    for (const Key& key : keys) {
      const double left = key.field(a), right = key.field(b);
      if (left != right) return key.descending ? left > right : left < right;
    }
    return std::pair(a.layer, a.neuron) < std::pair(b.layer, b.neuron);
  };
  std::sort(neurons.begin(), neurons.end(), less);
  return absl::OkStatus();
}

}  // namespace homolog::results
