#include "server/analysis/neuron_set.h"

#include <algorithm>
#include <map>
#include <utility>

#include "server/analysis/random.h"

namespace homolog::analysis {
namespace {

// The neurons with the `count` smallest random keys: every set is equally likely.
NeuronSet Draw(int64_t neurons, int64_t count, uint64_t key) {
  std::vector<std::pair<uint64_t, int64_t>> keyed(static_cast<size_t>(neurons));
  for (int64_t i = 0; i < neurons; ++i) keyed[i] = {RandomBits(key, static_cast<uint64_t>(i)), i};
  std::nth_element(keyed.begin(), keyed.begin() + count, keyed.end());
  NeuronSet set;
  for (int64_t i = 0; i < count; ++i) set.push_back(keyed[i].second);
  std::sort(set.begin(), set.end());
  return set;
}

}  // namespace

NeuronSet RandomNeurons(int64_t neurons, int64_t count, uint64_t seed, int64_t draw) {
  return Draw(neurons, count, RandomKey({seed, static_cast<uint64_t>(draw)}));
}

NeuronSet RandomNeuronsByLayer(const NeuronSet& like, int64_t d_mlp, uint64_t seed, int64_t draw) {
  std::map<int64_t, int64_t> counts;
  for (const int64_t neuron : like) ++counts[neuron / d_mlp];
  NeuronSet set;
  for (const auto& [layer, count] : counts) {
    const uint64_t key =
        RandomKey({seed, static_cast<uint64_t>(draw), static_cast<uint64_t>(layer)});
    for (const int64_t neuron : Draw(d_mlp, count, key)) set.push_back(layer * d_mlp + neuron);
  }
  return set;
}

NeuronSet CutToLayer(const NeuronSet& set, int64_t d_mlp, int64_t layer) {
  return NeuronSet(std::lower_bound(set.begin(), set.end(), layer * d_mlp),
                   std::lower_bound(set.begin(), set.end(), (layer + 1) * d_mlp));
}

}  // namespace homolog::analysis
