#include "server/analysis/families.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

namespace homolog::analysis {
namespace {

// Disjoint sets with path halving; the representative is the lowest number.
class DisjointSets {
 public:
  explicit DisjointSets(size_t count) : parent_(count) {
    std::iota(parent_.begin(), parent_.end(), size_t{0});
  }
  size_t Find(size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void Join(size_t a, size_t b) {
    a = Find(a);
    b = Find(b);
    parent_[std::max(a, b)] = std::min(a, b);
  }

 private:
  std::vector<size_t> parent_;
};

struct Kin {
  FamilyNeuron a, b;
  double excess_of_both = 0;  // sum
};

double Excess(const PairCorrelations& pair, size_t neuron) {
  return static_cast<double>(pair.max_corr[neuron]) - static_cast<double>(pair.baseline[neuron]);
}

// Of models a < b: the pair as seen from a, and from b.
void AddKin(int32_t a, const PairCorrelations& from_a, int32_t b, const PairCorrelations& from_b,
            double threshold, std::vector<Kin>& kin) {
  for (size_t i = 0; i < from_a.max_sim.size(); ++i) {
    const auto j = static_cast<size_t>(from_a.max_sim[i]);
    if (static_cast<size_t>(from_b.max_sim[j]) != i) continue;
    const double forth = Excess(from_a, i), back = Excess(from_b, j);
    if (forth > threshold && back > threshold) {
      kin.push_back({{a, static_cast<int32_t>(i)}, {b, static_cast<int32_t>(j)}, forth + back});
    }
  }
}

bool ComesFirst(const Family& a, const Family& b) {
  if (a.members.size() != b.members.size()) return a.members.size() > b.members.size();
  if (a.mean_excess != b.mean_excess) return a.mean_excess > b.mean_excess;
  return a.members < b.members;
}

}  // namespace

std::vector<Family> FindFamilies(const std::vector<std::vector<PairCorrelations>>& correlations,
                                 double threshold) {
  const auto models = static_cast<int32_t>(correlations.size());
  std::vector<size_t> first(correlations.size() + 1, 0);  // number of each model's first neuron
  for (size_t model = 0; model < correlations.size(); ++model) {
    first[model + 1] = first[model] + correlations[model][0].max_sim.size();
  }
  std::vector<Kin> kin;
  for (int32_t a = 0; a < models; ++a) {
    for (int32_t b = a + 1; b < models; ++b) {
      AddKin(a, correlations[a][b - 1], b, correlations[b][a], threshold, kin);
    }
  }
  auto number = [&](FamilyNeuron neuron) { return first[neuron.model] + neuron.neuron; };
  DisjointSets sets(first.back());
  for (const Kin& pair : kin) sets.Join(number(pair.a), number(pair.b));

  std::map<size_t, Family> by_representative;
  std::map<size_t, int64_t> directions;
  for (const Kin& pair : kin) {
    const size_t representative = sets.Find(number(pair.a));
    Family& family = by_representative[representative];
    family.members.push_back(pair.a);
    family.members.push_back(pair.b);
    family.mean_excess += pair.excess_of_both;
    directions[representative] += 2;
  }
  std::vector<Family> families;
  for (auto& [representative, family] : by_representative) {
    std::sort(family.members.begin(), family.members.end());
    family.members.erase(std::unique(family.members.begin(), family.members.end()),
                         family.members.end());
    family.mean_excess /= static_cast<double>(directions[representative]);
    families.push_back(std::move(family));
  }
  std::sort(families.begin(), families.end(), ComesFirst);
  return families;
}

}  // namespace homolog::analysis
