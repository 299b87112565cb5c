// From the moments of a reference and a partner to one row of numbers per reference neuron.
//
// Thread-safety: pure functions on the calling thread. They throw what libtorch throws.
#ifndef HOMOLOG_SERVER_ANALYSIS_PAIR_REDUCTION_H_
#define HOMOLOG_SERVER_ANALYSIS_PAIR_REDUCTION_H_

#include "absl/status/statusor.h"
#include "server/analysis/correlation.h"
#include "server/analysis/moments.h"

namespace homolog::analysis {

// Maxima, minima and baselines, row tile by row tile: beyond the moments, memory is bounded by a
// tile. `control` is asked between tiles.
absl::StatusOr<PairCorrelations> ReducePair(const ModelMoments& reference,
                                            const ModelMoments& partner, const CrossMoments& cross,
                                            const CorrelationOptions& options, RunControl& control);

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_PAIR_REDUCTION_H_
