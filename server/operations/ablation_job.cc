#include "server/operations/ablation_job.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "server/analysis/ablation.h"
#include "server/operations/neuron_sets.h"
#include "server/operations/stored_tokens.h"
#include "server/operations/timing.h"
#include "server/results/request_digest.h"
#include "server/results/result_codec.h"

namespace homolog::operations {
namespace {

// A change that changes a number of a result changes this.
constexpr std::string_view kAlgorithm = "ablation/1";

struct AblationInputs {
  checkpoints::CheckpointInfo checkpoint;
  v1::Dataset dataset;
  ResolvedNeurons neurons;
  v1::AblationKind kind = v1::ABLATION_KIND_ZERO;
  std::string id;  // of the result
};

absl::StatusOr<AblationInputs> Validate(const AnalysisContext& context,
                                        const v1::RunAblationRequest& request) {
  AblationInputs inputs;
  if (request.kind() != v1::ABLATION_KIND_UNSPECIFIED && request.kind() != v1::ABLATION_KIND_ZERO) {
    return InvalidArgument(
        "INVALID_PARAMETER",
        absl::StrCat("kind is ", static_cast<int>(request.kind()), "; must be ZERO"),
        {{"field", "kind"}});
  }
  HOMOLOG_ASSIGN_OR_RETURN(inputs.checkpoint, IdentifyCheckpoint(context, request.checkpoint()));
  HOMOLOG_ASSIGN_OR_RETURN(inputs.dataset, ReadDataset(*context.store, request.dataset()));
  HOMOLOG_RETURN_IF_ERROR(CheckFits(context, inputs.checkpoint, inputs.dataset));
  HOMOLOG_RETURN_IF_ERROR(CheckMemory(
      context, inputs.checkpoint.parameter_count * static_cast<int64_t>(sizeof(float))));
  HOMOLOG_ASSIGN_OR_RETURN(inputs.neurons,
                           ResolveNeurons(*context.store, inputs.checkpoint, request.neurons()));
  results::RequestDigest digest(kAlgorithm);
  AddToDigest("checkpoint", inputs.checkpoint, digest);
  digest.Add("dataset", inputs.dataset.sha256()).Add("kind", v1::AblationKind_Name(inputs.kind));
  AddToDigest(inputs.neurons.request, digest);
  inputs.id = digest.Finish();
  return inputs;
}

v1::AblationEffect EffectProto(const analysis::AblationEffect& effect, double loss_increase) {
  v1::AblationEffect proto;
  proto.set_neuron_count(effect.neuron_count);
  proto.set_ablated_loss(effect.ablated_loss);
  proto.set_loss_increase(loss_increase);
  proto.set_kl(effect.kl);
  proto.set_entropy_change(effect.entropy_change);
  proto.set_top1_agreement(effect.top1_agreement);
  return proto;
}

v1::Ablation Manifest(const AblationInputs& inputs, const analysis::AblationResult& result,
                      const std::string& operation, const Stopwatch& stopwatch) {
  v1::Ablation manifest;
  manifest.set_name(FormatName(kAblations, inputs.id));
  *manifest.mutable_checkpoint() = ResultCheckpointProto(inputs.checkpoint);
  manifest.set_dataset(inputs.dataset.name());
  manifest.set_dataset_sha256(inputs.dataset.sha256());
  *manifest.mutable_neurons() = inputs.neurons.request;
  manifest.set_kind(inputs.kind);
  manifest.set_clean_loss(result.clean_loss);
  const analysis::AblationEffect mean = analysis::MeanEffect(result.effects);
  *manifest.mutable_effect() = EffectProto(mean, mean.ablated_loss - result.clean_loss);
  if (inputs.neurons.random) {
    for (const analysis::AblationEffect& draw : result.effects) {
      *manifest.add_draws() = EffectProto(draw, draw.ablated_loss - result.clean_loss);
    }
  }
  if (result.effects.size() > 1) {
    // The clean loss is one number: the increase varies as the ablated loss does.
    const analysis::AblationEffect deviation = analysis::EffectDeviation(result.effects);
    *manifest.mutable_effect_std() = EffectProto(deviation, deviation.ablated_loss);
  }
  manifest.set_predicted_positions(result.predicted_positions);
  manifest.set_operation(operation);
  *manifest.mutable_create_time() = stopwatch.now();
  *manifest.mutable_duration() = stopwatch.elapsed();
  return manifest;
}

absl::Status Run(const AnalysisContext& context, const AblationInputs& inputs,
                 const std::string& operation, analysis::RunControl& control) {
  // A former process may have stored the result and died before it said so.
  if (results::ReadAblation(*context.store, inputs.id).ok()) return absl::OkStatus();
  const Stopwatch stopwatch;
  control.OnStage("loading checkpoints");
  HOMOLOG_ASSIGN_OR_RETURN(const checkpoints::CheckpointHandle handle,
                           AcquireUnchanged(context, inputs.checkpoint));
  HOMOLOG_ASSIGN_OR_RETURN(const std::string dataset_id,
                           ParseName(kDatasets, inputs.dataset.name()));
  const StoredTokens tokens(*context.store, dataset_id, inputs.dataset);
  HOMOLOG_ASSIGN_OR_RETURN(
      const analysis::AblationResult result,
      analysis::RunZeroAblation(*handle->model, inputs.neurons.sets, tokens, control));
  control.OnStage("storing");
  HOMOLOG_RETURN_IF_ERROR(CheckUnchanged(*context.store, inputs.dataset));
  return context.store->PutResult(
      kAblations, inputs.id, Manifest(inputs, result, operation, stopwatch).SerializeAsString(),
      {});
}

}  // namespace

absl::StatusOr<Job> PrepareAblation(const AnalysisContext& context,
                                    const v1::RunAblationRequest& request) {
  HOMOLOG_ASSIGN_OR_RETURN(AblationInputs validated, Validate(context, request));
  const auto inputs = std::make_shared<const AblationInputs>(std::move(validated));
  Job job;
  job.kind = std::string(kAblationKind);
  job.result = FormatName(kAblations, inputs->id);
  job.request = request.SerializeAsString();
  job.run = [context, inputs](const std::string& operation, analysis::RunControl& control) {
    return Run(context, *inputs, operation, control);
  };
  return job;
}

}  // namespace homolog::operations
