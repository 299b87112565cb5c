#include "server/results/neuron_detail.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "server/analysis/universality.h"
#include "server/results/neuron_request.h"
#include "server/results/neuron_writer.h"
#include "server/results/result_codec.h"
#include "server/results/result_columns.h"

namespace homolog::results {
namespace {

absl::Status NoDistribution(const v1::Correlation& manifest) {
  return FailedPrecondition(
      "NO_DISTRIBUTION",
      absl::StrCat(manifest.name(),
                   " was stored by a server that kept no statistics of single neurons; ask for the "
                   "correlation again to have them computed"),
      {{"correlation", manifest.name()}});
}

// Everything that the result has of one neuron, as row 0.
absl::StatusOr<analysis::CorrelationResult> ReadNeuron(const store::Store& store,
                                                       const std::string& id,
                                                       const v1::Correlation& manifest,
                                                       int64_t flat) {
  HOMOLOG_ASSIGN_OR_RETURN(const bool statistics, HasColumns(store, id, ColumnGroup::kStatistics));
  if (!statistics) return NoDistribution(manifest);
  std::vector<ColumnGroup> groups = {ColumnGroup::kCorrelations, ColumnGroup::kStatistics};
  HOMOLOG_ASSIGN_OR_RETURN(const bool distribution,
                           HasColumns(store, id, ColumnGroup::kDistribution));
  if (distribution) groups.push_back(ColumnGroup::kDistribution);
  return ReadRows(store, id, manifest, groups, {flat, 1});
}

void WriteStatistics(const analysis::NeuronStatistics& row, v1::NeuronDetail& out) {
  v1::NeuronStatistics& statistics = *out.mutable_statistics();
  statistics.set_mean(row.mean[0]);
  statistics.set_variance(row.variance[0]);
  statistics.set_skew(row.skew[0]);
  statistics.set_kurtosis(row.kurtosis[0]);
  statistics.set_active_share(row.active_share[0]);
  statistics.set_minimum(row.minimum[0]);
  statistics.set_maximum(row.maximum[0]);
  statistics.mutable_histogram()->Add(row.histogram.begin(), row.histogram.end());
  statistics.set_histogram_low(row.histogram_low[0]);
  statistics.set_histogram_width(row.histogram_width[0]);
  const size_t kept = std::min(row.top_activation.size(), row.top_position.size());
  for (size_t i = 0; i < kept; ++i) {
    v1::ExcitingPosition& position = *out.add_exciting_positions();
    position.set_position(row.top_position[i]);
    position.set_activation(row.top_activation[i]);
  }
}

using CorrelatedNeurons = google::protobuf::RepeatedPtrField<v1::CorrelatedNeuron>;

void WriteNeurons(const std::vector<int32_t>& flat, const std::vector<float>& corr, int64_t d_mlp,
                  CorrelatedNeurons& out) {
  for (size_t i = 0; i < std::min(flat.size(), corr.size()); ++i) {
    v1::CorrelatedNeuron& neuron = *out.Add();
    neuron.set_layer(static_cast<int32_t>(flat[i] / d_mlp));
    neuron.set_neuron(static_cast<int32_t>(flat[i] % d_mlp));
    neuron.set_corr(corr[i]);
  }
}

void WriteDistribution(const analysis::CorrelationDistribution& row,
                       const v1::ResultCheckpoint& partner, v1::PartnerDistribution& out) {
  const int64_t d_mlp = partner.shape().d_mlp();
  out.set_checkpoint(partner.name());
  WriteNeurons(row.top_sim, row.top_corr, d_mlp, *out.mutable_top());
  WriteNeurons(row.bottom_sim, row.bottom_corr, d_mlp, *out.mutable_bottom());
  out.mutable_histogram()->Add(row.histogram.begin(), row.histogram.end());
  out.set_mean(row.mean[0]);
  out.set_variance(row.variance[0]);
  out.set_skew(row.skew[0]);
  out.set_kurtosis(row.kurtosis[0]);
}

}  // namespace

absl::StatusOr<NeuronDetail> GetNeuron(const store::Store& store,
                                       const v1::GetNeuronRequest& request) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kCorrelations, request.correlation()));
  NeuronDetail result;
  HOMOLOG_ASSIGN_OR_RETURN(result.manifest, ReadCorrelation(store, id));
  HOMOLOG_ASSIGN_OR_RETURN(const analysis::UniversalityRule rule, RuleOf(request.rule()));
  HOMOLOG_ASSIGN_OR_RETURN(
      const double threshold,
      CheckThreshold(request.has_threshold() ? request.threshold() : kDefaultThreshold));
  HOMOLOG_ASSIGN_OR_RETURN(const int64_t flat,
                           FlatIndex(result.manifest, request.layer(), request.neuron()));
  HOMOLOG_ASSIGN_OR_RETURN(const analysis::CorrelationResult row,
                           ReadNeuron(store, id, result.manifest, flat));

  const NeuronWriter writer(result.manifest, row.dead, row.partners, threshold);
  writer.Write(
      {request.layer(), request.neuron(), analysis::CombinePartners(row.partners, rule, 0)},
      /*row=*/0, *result.detail.mutable_neuron());
  WriteStatistics(row.statistics, result.detail);
  for (int i = 0; i < result.manifest.partners_size(); ++i) {
    const analysis::CorrelationDistribution& distribution = row.partners[i].distribution;
    if (distribution.mean.empty()) continue;
    WriteDistribution(distribution, result.manifest.partners(i),
                      *result.detail.add_distributions());
  }
  return result;
}

}  // namespace homolog::results
