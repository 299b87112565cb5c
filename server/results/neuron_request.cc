#include "server/results/neuron_request.h"

#include "absl/strings/str_cat.h"
#include "common/error.h"

namespace homolog::results {

absl::StatusOr<analysis::UniversalityRule> RuleOf(v1::UniversalityRule rule) {
  switch (rule) {
    case v1::UNIVERSALITY_RULE_UNSPECIFIED:
    case v1::UNIVERSALITY_RULE_MEAN:
      return analysis::UniversalityRule::kMean;
    case v1::UNIVERSALITY_RULE_ALL:
      return analysis::UniversalityRule::kAll;
    case v1::UNIVERSALITY_RULE_ANY:
      return analysis::UniversalityRule::kAny;
    default:
      return InvalidArgument("INVALID_RULE", absl::StrCat("rule is ", static_cast<int>(rule),
                                                          "; must be MEAN, ALL or ANY"));
  }
}

absl::StatusOr<double> CheckThreshold(double threshold) {
  // Written so that NaN fails, too.
  if (!(threshold >= -2 && threshold <= 2)) {
    return InvalidArgument("INVALID_THRESHOLD",
                           absl::StrCat("threshold is ", threshold,
                                        "; must be -2 to 2, the range of an excess correlation"),
                           {{"threshold", absl::StrCat(threshold)}});
  }
  return threshold;
}

absl::StatusOr<NeuronRange> NeuronsOfLayer(const v1::Correlation& manifest,
                                           std::optional<int32_t> layer) {
  const v1::ModelShape& shape = manifest.reference().shape();
  if (!layer.has_value()) return NeuronRange{0, shape.layers() * shape.d_mlp()};
  if (*layer < 0 || *layer >= shape.layers()) {
    return InvalidArgument("INVALID_LAYER",
                           absl::StrCat("layer is ", *layer, "; must be 0 to ", shape.layers() - 1,
                                        ", the layers of ", manifest.reference().name()));
  }
  return NeuronRange{*layer * shape.d_mlp(), shape.d_mlp()};
}

absl::StatusOr<int64_t> FlatIndex(const v1::Correlation& manifest, int32_t layer, int32_t neuron) {
  HOMOLOG_ASSIGN_OR_RETURN(const NeuronRange neurons, NeuronsOfLayer(manifest, layer));
  if (neuron < 0 || neuron >= neurons.count) {
    return InvalidArgument(
        "INVALID_NEURON",
        absl::StrCat("neuron is ", neuron, "; must be 0 to ", neurons.count - 1,
                     ", the neurons of a layer of ", manifest.reference().name()));
  }
  return neurons.first + neuron;
}

}  // namespace homolog::results
