#include "server/results/neuron_order.h"

#include <algorithm>
#include <compare>
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

  bool operator==(const Key& other) const { return field == other.field; }
};

absl::Status Duplicate(absl::string_view part) {
  return InvalidArgument(
      "INVALID_ORDER_BY",
      absl::StrCat("order_by names ", Quoted(std::string_view(part.data(), part.size())),
                   " twice; name each field once"));
}

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

absl::StatusOr<std::vector<Key>> ParseKeys(const std::string& order_by) {
  std::vector<Key> keys;
  for (const absl::string_view part :
       absl::StrSplit(order_by.empty() ? "excess_corr desc" : order_by, ',')) {
    HOMOLOG_ASSIGN_OR_RETURN(const Key key, ParseKey(part));
    // A field that stands twice says nothing new, and a million of them would hold up the sort.
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) return Duplicate(part);
    keys.push_back(key);
  }
  return keys;
}

}  // namespace

absl::Status OrderNeurons(const std::string& order_by, int64_t begin, int64_t end,
                          std::vector<QueriedNeuron>& neurons) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<Key> keys, ParseKeys(order_by));
  const auto less = [&](const QueriedNeuron& a, const QueriedNeuron& b) {
    for (const Key& key : keys) {
      const double x = key.field(a), y = key.field(b);
      if (x == y) continue;
      // Total also where a number is none, as sorting wants it.
      const auto order = std::weak_order(x, y);
      if (order != 0) return key.descending ? order > 0 : order < 0;
    }
    return std::pair(a.layer, a.neuron) < std::pair(b.layer, b.neuron);
  };
  const auto first = neurons.begin() + begin, last = neurons.begin() + end;
  if (begin > 0) std::nth_element(neurons.begin(), first, neurons.end(), less);
  std::nth_element(first, last, neurons.end(), less);
  std::sort(first, last, less);
  return absl::OkStatus();
}

}  // namespace homolog::results
