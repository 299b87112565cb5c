// Sets of neurons, and random ones.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_ANALYSIS_NEURON_SET_H_
#define HOMOLOG_SERVER_ANALYSIS_NEURON_SET_H_

#include <cstdint>
#include <vector>

namespace homolog::analysis {

// Ascending flat indices layer * d_mlp + neuron.
using NeuronSet = std::vector<int64_t>;

// `count` (at most `neurons`) of `neurons` neurons, drawn without replacement; depends on seed and
// draw alone.
NeuronSet RandomNeurons(int64_t neurons, int64_t count, uint64_t seed, int64_t draw);

// As many random neurons of each layer as `like` has there, drawn without replacement; depends on
// these numbers, seed and draw alone. like: of a model with layers of d_mlp neurons.
NeuronSet RandomNeuronsByLayer(const NeuronSet& like, int64_t d_mlp, uint64_t seed, int64_t draw);

// Those neurons of `set` that are in `layer`.
NeuronSet CutToLayer(const NeuronSet& set, int64_t d_mlp, int64_t layer);

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_NEURON_SET_H_
