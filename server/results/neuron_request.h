// What the methods about neurons ask alike.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_RESULTS_NEURON_REQUEST_H_
#define HOMOLOG_SERVER_RESULTS_NEURON_REQUEST_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "homolog/v1/correlation.pb.h"
#include "server/analysis/universality.h"
#include "server/results/result_codec.h"

namespace homolog::results {

inline constexpr double kDefaultThreshold = 0.5;

// The rule that a request means. INVALID_ARGUMENT (reason INVALID_RULE) for a number that is none.
absl::StatusOr<analysis::UniversalityRule> RuleOf(v1::UniversalityRule rule);

// `threshold`, or INVALID_ARGUMENT (reason INVALID_THRESHOLD) unless it is in [-2, 2].
absl::StatusOr<double> CheckThreshold(double threshold);

// The reference's neurons of that layer, or all. INVALID_ARGUMENT (reason INVALID_LAYER).
absl::StatusOr<NeuronRange> NeuronsOfLayer(const v1::Correlation& manifest,
                                           std::optional<int32_t> layer);

// The flat index of a neuron of the reference. INVALID_ARGUMENT (reason INVALID_LAYER,
// INVALID_NEURON).
absl::StatusOr<int64_t> FlatIndex(const v1::Correlation& manifest, int32_t layer, int32_t neuron);

}  // namespace homolog::results

#endif  // HOMOLOG_SERVER_RESULTS_NEURON_REQUEST_H_
