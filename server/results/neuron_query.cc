#include "server/results/neuron_query.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "server/results/neuron_order.h"
#include "server/results/paging.h"
#include "server/results/result_codec.h"

namespace homolog::results {
namespace {

constexpr double kDefaultThreshold = 0.5;
constexpr double kNoThreshold = -2;  // no excess is below it
constexpr int kDefaultPageSize = 1000, kLargestPageSize = 10000;
// A page ends with the row that passes this: with the longest names a row takes some 20 KiB, so
// that every page is below the 4 MiB that clients of gRPC take unless they are told otherwise.
constexpr size_t kPageBytes = 3 << 20;

struct Query {
  analysis::UniversalityRule rule;
  double threshold;
  int64_t first_layer, last_layer;
};

absl::StatusOr<Query> ParseQuery(const v1::QueryUniversalNeuronsRequest& request,
                                 const v1::Correlation& manifest) {
  Query query{};
  HOMOLOG_ASSIGN_OR_RETURN(query.rule, RuleOf(request.rule()));
  HOMOLOG_ASSIGN_OR_RETURN(
      query.threshold,
      CheckThreshold(request.has_threshold() ? request.threshold() : kDefaultThreshold));
  const int64_t layers = manifest.reference().shape().layers();
  query.last_layer = layers - 1;
  if (request.has_layer()) {
    if (request.layer() < 0 || request.layer() >= layers) {
      return InvalidArgument(
          "INVALID_LAYER", absl::StrCat("layer is ", request.layer(), "; must be 0 to ", layers - 1,
                                        ", the layers of ", manifest.reference().name()));
    }
    query.first_layer = query.last_layer = request.layer();
  }
  return query;
}

// The neurons that the query asks for, in the order of layer and index.
std::vector<QueriedNeuron> Select(const Query& query, const CorrelationColumns& columns,
                                  int64_t d_mlp) {
  std::vector<QueriedNeuron> selected;
  for (int64_t i = query.first_layer * d_mlp; i < (query.last_layer + 1) * d_mlp; ++i) {
    const bool all = query.threshold == kNoThreshold;
    if (columns.dead[i] != 0 && !all) continue;
    const analysis::NeuronExcess excess =
        analysis::CombinePartners(columns.partners, query.rule, i);
    if (all || excess.excess > query.threshold) {
      selected.push_back({i / d_mlp, i % d_mlp, excess});
    }
  }
  return selected;
}

// Flat indices back to (layer, neuron) of each partner.
class NeuronWriter {
 public:
  NeuronWriter(const v1::Correlation& manifest, const CorrelationColumns& columns, double threshold)
      : manifest_(manifest), columns_(columns), threshold_(threshold) {}

  void Write(const QueriedNeuron& queried, v1::Neuron& out) const {
    const int64_t flat = queried.layer * manifest_.reference().shape().d_mlp() + queried.neuron;
    const analysis::NeuronExcess& excess = queried.excess;
    out.set_layer(static_cast<int32_t>(queried.layer));
    out.set_neuron(static_cast<int32_t>(queried.neuron));
    out.set_max_corr(excess.max_corr);
    out.set_min_corr(excess.min_corr);
    out.set_baseline(excess.baseline);
    out.set_excess_corr(excess.excess);
    out.set_dead(columns_.dead[flat] != 0);
    out.set_universal(!out.dead() && excess.excess > threshold_);
    for (int i = 0; i < manifest_.partners_size(); ++i) WritePartner(i, flat, *out.add_partners());
    const v1::NeuronPartner& shown = out.partners(excess.partner);
    out.set_max_sim_layer(shown.max_sim_layer());
    out.set_max_sim_neuron(shown.max_sim_neuron());
    out.set_max_sim_checkpoint(shown.checkpoint());
  }

 private:
  void WritePartner(int partner, int64_t flat, v1::NeuronPartner& out) const {
    const analysis::PairCorrelations& pair = columns_.partners[partner];
    const auto d_mlp = static_cast<int32_t>(manifest_.partners(partner).shape().d_mlp());
    out.set_checkpoint(manifest_.partners(partner).name());
    out.set_max_corr(pair.max_corr[flat]);
    out.set_max_sim_layer(pair.max_sim[flat] / d_mlp);
    out.set_max_sim_neuron(pair.max_sim[flat] % d_mlp);
    out.set_min_corr(pair.min_corr[flat]);
    out.set_min_sim_layer(pair.min_sim[flat] / d_mlp);
    out.set_min_sim_neuron(pair.min_sim[flat] % d_mlp);
    out.set_baseline(pair.baseline[flat]);
    out.set_baseline_std(pair.baseline_std[flat]);
    out.set_excess_corr(static_cast<double>(pair.max_corr[flat]) - pair.baseline[flat]);
  }

  const v1::Correlation& manifest_;
  const CorrelationColumns& columns_;
  const double threshold_;
};

// What a page token is bound to: every field but the paging ones.
std::string ListingKey(v1::QueryUniversalNeuronsRequest request) {
  request.clear_page_size();
  request.clear_page_token();
  return request.SerializeAsString();
}

}  // namespace

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

absl::StatusOr<v1::QueryUniversalNeuronsResponse> QueryNeurons(
    const store::Store& store, const v1::QueryUniversalNeuronsRequest& request) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kCorrelations, request.correlation()));
  HOMOLOG_ASSIGN_OR_RETURN(const int page_size,
                           CheckPageSize(request.page_size(), kDefaultPageSize, kLargestPageSize));
  HOMOLOG_ASSIGN_OR_RETURN(const v1::Correlation manifest, ReadCorrelation(store, id));
  HOMOLOG_ASSIGN_OR_RETURN(const Query query, ParseQuery(request, manifest));
  const std::string listing = ListingKey(request);
  HOMOLOG_ASSIGN_OR_RETURN(const int64_t offset, ParseOffsetToken(listing, request.page_token()));
  HOMOLOG_ASSIGN_OR_RETURN(const CorrelationColumns columns, ReadColumns(store, id, manifest));
  const int64_t d_mlp = manifest.reference().shape().d_mlp();
  std::vector<QueriedNeuron> neurons = Select(query, columns, d_mlp);
  HOMOLOG_RETURN_IF_ERROR(SortNeurons(request.order_by(), neurons));

  v1::QueryUniversalNeuronsResponse response;
  const auto total = static_cast<int64_t>(neurons.size());
  const NeuronWriter writer(manifest, columns, query.threshold);
  const int64_t end = std::min(total, offset + page_size);
  int64_t next = offset;
  for (size_t bytes = 0; next < end && bytes < kPageBytes; ++next) {
    v1::Neuron& neuron = *response.add_neurons();
    writer.Write(neurons[next], neuron);
    bytes += neuron.ByteSizeLong();
  }
  if (next < total) response.set_next_page_token(OffsetToken(listing, next));
  response.set_total_size(total);
  response.set_neuron_count((query.last_layer - query.first_layer + 1) * d_mlp);
  return response;
}

}  // namespace homolog::results
