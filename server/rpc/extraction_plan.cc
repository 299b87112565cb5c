#include "server/rpc/extraction_plan.h"

#include <google/protobuf/repeated_field.h>

#include <numeric>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "server/operations/stored_tokens.h"

namespace homolog::rpc {
namespace {

// Indices in [0, limit), strictly ascending.
absl::StatusOr<std::vector<int64_t>> ReadIndices(
    const google::protobuf::RepeatedField<int32_t>& indices, int64_t limit, const char* field,
    const char* reason) {
  std::vector<int64_t> result;
  for (const int32_t index : indices) {
    if (index < 0 || index >= limit || (!result.empty() && index <= result.back())) {
      return InvalidArgument(reason,
                             absl::StrCat(field, " has ", index, "; must be 0 to ", limit - 1,
                                          ", ascending, none twice"),
                             {{"field", field}});
    }
    result.push_back(index);
  }
  return result;
}

absl::Status ReadChoices(const v1::ExtractActivationsRequest& request,
                         const engine::ModelShape& shape, analysis::ExtractionOptions& options) {
  HOMOLOG_ASSIGN_OR_RETURN(options.layers,
                           ReadIndices(request.layers(), shape.layers, "layers", "INVALID_LAYER"));
  HOMOLOG_ASSIGN_OR_RETURN(
      options.neurons, ReadIndices(request.neurons(), shape.d_mlp, "neurons", "INVALID_NEURON"));
  if (options.layers.empty()) {
    options.layers.resize(shape.layers);
    std::iota(options.layers.begin(), options.layers.end(), 0);
  }
  if (!v1::Site_IsValid(request.site()) || !v1::DataType_IsValid(request.data_type())) {
    return InvalidArgument("INVALID_PARAMETER",
                           absl::StrCat("site is ", static_cast<int>(request.site()),
                                        " and data_type ", static_cast<int>(request.data_type()),
                                        "; must be MLP_POST or MLP_PRE, FLOAT32 or FLOAT16"));
  }
  if (request.site() == v1::SITE_MLP_PRE) options.site = engine::Site::kMlpPre;
  if (request.data_type() == v1::DATA_TYPE_FLOAT16) options.dtype = at::kHalf;
  return absl::OkStatus();
}

v1::ActivationsHeader Header(const ExtractionPlan& plan, int64_t d_mlp) {
  v1::ActivationsHeader header;
  for (const int64_t layer : plan.options.layers) header.add_layers(static_cast<int32_t>(layer));
  for (const int64_t neuron : plan.options.neurons)
    header.add_neurons(static_cast<int32_t>(neuron));
  if (plan.options.neurons.empty()) {
    for (int32_t neuron = 0; neuron < d_mlp; ++neuron) header.add_neurons(neuron);
  }
  header.set_site(plan.options.site == engine::Site::kMlpPre ? v1::SITE_MLP_PRE
                                                             : v1::SITE_MLP_POST);
  header.set_data_type(plan.options.dtype == at::kHalf ? v1::DATA_TYPE_FLOAT16
                                                       : v1::DATA_TYPE_FLOAT32);
  header.set_positions(plan.dataset.sequence_count() * plan.dataset.sequence_length());
  return header;
}

}  // namespace

absl::StatusOr<ExtractionPlan> PlanExtraction(const operations::AnalysisContext& context,
                                              const v1::ExtractActivationsRequest& request) {
  ExtractionPlan plan;
  HOMOLOG_ASSIGN_OR_RETURN(const checkpoints::CheckpointInfo checkpoint,
                           operations::IdentifyCheckpoint(context, request.checkpoint()));
  HOMOLOG_ASSIGN_OR_RETURN(plan.dataset,
                           operations::ReadDataset(*context.store, request.dataset()));
  HOMOLOG_ASSIGN_OR_RETURN(plan.dataset_id, ParseName(kDatasets, request.dataset()));
  HOMOLOG_RETURN_IF_ERROR(operations::CheckFits(context, checkpoint, plan.dataset));
  const engine::ModelShape& shape = checkpoint.description->shape;
  HOMOLOG_RETURN_IF_ERROR(ReadChoices(request, shape, plan.options));
  plan.header = Header(plan, shape.d_mlp);
  plan.row_bytes = plan.header.neurons_size() * (plan.options.dtype == at::kHalf ? 2 : 4);
  HOMOLOG_ASSIGN_OR_RETURN(plan.checkpoint, operations::AcquireUnchanged(context, checkpoint));
  return plan;
}

}  // namespace homolog::rpc
