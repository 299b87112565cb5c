#include "server/results/neuron_query.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "server/results/neuron_order.h"
#include "server/results/neuron_request.h"
#include "server/results/neuron_writer.h"
#include "server/results/paging.h"
#include "server/results/result_codec.h"

namespace homolog::results {
namespace {

constexpr double kNoThreshold = -2;  // no excess is below it
constexpr int kDefaultPageSize = 1000;
// A page ends with the row that passes this: with the longest names a row takes some 20 KiB, so
// that every page is below the 4 MiB that clients of gRPC take unless they are told otherwise.
constexpr size_t kPageBytes = 3 << 20;

struct Query {
  analysis::UniversalityRule rule;
  double threshold;
  NeuronRange neurons;
};

absl::StatusOr<Query> ParseQuery(const v1::QueryUniversalNeuronsRequest& request,
                                 const v1::Correlation& manifest) {
  Query query{};
  HOMOLOG_ASSIGN_OR_RETURN(query.rule, RuleOf(request.rule()));
  HOMOLOG_ASSIGN_OR_RETURN(
      query.threshold,
      CheckThreshold(request.has_threshold() ? request.threshold() : kDefaultThreshold));
  HOMOLOG_ASSIGN_OR_RETURN(
      query.neurons,
      NeuronsOfLayer(manifest,
                     request.has_layer() ? std::optional<int32_t>(request.layer()) : std::nullopt));
  return query;
}

// The neurons that the query asks for, in the order of layer and index.
std::vector<QueriedNeuron> Select(const Query& query, const CorrelationColumns& columns,
                                  int64_t d_mlp) {
  const bool all = query.threshold == kNoThreshold;
  std::vector<QueriedNeuron> selected;
  if (all) selected.reserve(static_cast<size_t>(query.neurons.count));
  for (int64_t i = query.neurons.first; i < query.neurons.first + query.neurons.count; ++i) {
    if (columns.dead[i] != 0 && !all) continue;
    const analysis::NeuronExcess excess =
        analysis::CombinePartners(columns.partners, query.rule, i);
    if (all || excess.excess > query.threshold) {
      selected.push_back({i / d_mlp, i % d_mlp, excess});
    }
  }
  return selected;
}

// What a page token is bound to: every field but the paging ones.
std::string ListingKey(v1::QueryUniversalNeuronsRequest request) {
  request.clear_page_size();
  request.clear_page_token();
  return request.SerializeAsString();
}

}  // namespace

absl::StatusOr<v1::QueryUniversalNeuronsResponse> QueryNeurons(
    const store::Store& store, const v1::QueryUniversalNeuronsRequest& request,
    const Limits& limits) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::string id, ParseName(kCorrelations, request.correlation()));
  HOMOLOG_ASSIGN_OR_RETURN(const int page_size, CheckPageSize(request.page_size(), kDefaultPageSize,
                                                              limits.neuron_page_size));
  HOMOLOG_ASSIGN_OR_RETURN(const v1::Correlation manifest, ReadCorrelation(store, id));
  HOMOLOG_ASSIGN_OR_RETURN(const Query query, ParseQuery(request, manifest));
  const std::string listing = ListingKey(request);
  HOMOLOG_ASSIGN_OR_RETURN(const int64_t offset, ParseOffsetToken(listing, request.page_token()));
  HOMOLOG_ASSIGN_OR_RETURN(const CorrelationColumns columns, ReadColumns(store, id, manifest));
  const int64_t d_mlp = manifest.reference().shape().d_mlp();
  std::vector<QueriedNeuron> neurons = Select(query, columns, d_mlp);
  const auto total = static_cast<int64_t>(neurons.size());
  const int64_t begin = std::min(total, offset), end = std::min(total, offset + page_size);
  HOMOLOG_RETURN_IF_ERROR(OrderNeurons(request.order_by(), begin, end, neurons));

  v1::QueryUniversalNeuronsResponse response;
  const NeuronWriter writer(manifest, columns.dead, columns.partners, query.threshold);
  int64_t next = begin;
  for (size_t bytes = 0; next < end && bytes < kPageBytes; ++next) {
    const QueriedNeuron& queried = neurons[next];
    v1::Neuron& neuron = *response.add_neurons();
    writer.Write(queried, queried.layer * d_mlp + queried.neuron, neuron);
    bytes += neuron.ByteSizeLong();
  }
  if (next < total) response.set_next_page_token(OffsetToken(listing, next));
  response.set_total_size(total);
  response.set_neuron_count(query.neurons.count);
  return response;
}

}  // namespace homolog::results
