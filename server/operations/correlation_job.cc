#include "server/operations/correlation_job.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "server/analysis/correlation.h"
#include "server/operations/correlation_assembly.h"
#include "server/operations/correlation_gaps.h"
#include "server/operations/correlation_manifest.h"
#include "server/operations/plan_proto.h"
#include "server/operations/stored_tokens.h"
#include "server/results/result_codec.h"

namespace homolog::operations {
namespace {

// Loads the checkpoints that run and holds them until the handles are gone.
absl::StatusOr<std::vector<checkpoints::CheckpointHandle>> AcquireAll(
    const AnalysisContext& context, const CorrelationInputs& inputs, const CorrelationGaps& gaps,
    analysis::RunControl& control) {
  std::vector<checkpoints::CheckpointHandle> handles;
  for (const size_t model : gaps.models) {
    HOMOLOG_RETURN_IF_ERROR(control.Check());
    HOMOLOG_ASSIGN_OR_RETURN(checkpoints::CheckpointHandle handle,
                             AcquireUnchanged(context, inputs.checkpoints[model]));
    handles.push_back(std::move(handle));
  }
  return handles;
}

// All that determines the sums of the models that run, but their plan.
std::string SnapshotKey(const CorrelationInputs& inputs, const CorrelationGaps& gaps) {
  results::RequestDigest digest("snapshot/1");
  for (const std::string& id : inputs.ids) digest.Add("correlation", id);
  for (const size_t model : gaps.models) digest.Add("model", inputs.options.model_names[model]);
  for (const auto& [first, second] : gaps.options.known_pairs) {
    digest.Add("known", absl::StrCat(first, ",", second));
  }
  return digest.Finish();
}

// What no stored result has.
absl::StatusOr<analysis::CorrelationSet> Compute(const AnalysisContext& context,
                                                 const CorrelationInputs& inputs,
                                                 const CorrelationGaps& gaps,
                                                 const std::string& operation,
                                                 analysis::RunControl& control) {
  control.OnStage("loading checkpoints");
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<checkpoints::CheckpointHandle> handles,
                           AcquireAll(context, inputs, gaps, control));
  std::vector<const engine::Model*> models;
  for (const checkpoints::CheckpointHandle& handle : handles) models.push_back(handle->model.get());
  HOMOLOG_ASSIGN_OR_RETURN(const std::string dataset_id,
                           ParseName(kDatasets, inputs.dataset.name()));
  const StoredTokens tokens(*context.store, dataset_id, inputs.dataset);
  SnapshotFiles snapshots(context.snapshots, operation);
  return analysis::ComputeCorrelations(models, tokens, gaps.options, control,
                                       {&snapshots, SnapshotKey(inputs, gaps)});
}

// Of the result of `reference`, in the order of its partners.
std::vector<std::string> PairIds(const CorrelationInputs& inputs, size_t reference) {
  std::vector<std::string> ids;
  for (size_t partner = 0; partner < inputs.checkpoints.size(); ++partner) {
    if (partner != reference) ids.push_back(KeyOfPair(inputs, reference, partner).id);
  }
  return ids;
}

// Of results that are there: a former version stored them, or a process that died before it
// recorded their pairs.
absl::Status RecordStored(store::Store& store, const CorrelationInputs& inputs,
                          const CorrelationGaps& gaps) {
  for (const size_t reference : gaps.stored) {
    const std::vector<std::string> pairs = PairIds(inputs, reference);
    const bool recorded = std::all_of(pairs.begin(), pairs.end(), [&](const std::string& pair) {
      return results::IsRecorded(store, pair);
    });
    if (recorded) continue;
    HOMOLOG_RETURN_IF_ERROR(results::RecordPairs(store, inputs.ids[reference], pairs));
  }
  return absl::OkStatus();
}

// Of what the disk had no space for: it waits for what is lacking beside its own snapshots' space.
absl::Status Full(const absl::Status& status, int64_t bytes) {
  return ResourceExhausted("STORE_FULL", std::string(status.message()),
                           {{"bytes", absl::StrCat(std::max(bytes, store::kLargeWriteBytes))}});
}

// Where the disk has no space for it, and would have without the snapshots of its own computation,
// they go.
absl::Status PutOrMakeRoom(const AnalysisContext& context, const std::string& operation,
                           const std::string& id, const std::string& manifest,
                           const std::vector<store::Blob>& columns) {
  absl::Status stored = context.store->PutResult(kCorrelations, id, manifest, columns);
  if (ErrorReason(stored) != "STORE_FULL") return stored;
  int64_t bytes = 0, lacking = 0;
  if (!absl::SimpleAtoi(ErrorValue(stored, "bytes"), &bytes) ||
      !absl::SimpleAtoi(ErrorValue(stored, "lacking_bytes"), &lacking)) {
    return stored;
  }
  const int64_t spare = SnapshotBytes(context.snapshots, operation);
  if (spare < lacking) return Full(stored, bytes - spare);
  DeleteSnapshots(context.snapshots, operation);
  return context.store->PutResult(kCorrelations, id, manifest, columns);
}

absl::Status Store(const AnalysisContext& context, const Computation& computation, size_t reference,
                   analysis::CorrelationResult result) {
  const CorrelationInputs& inputs = computation.inputs;
  const std::string manifest =
      CorrelationManifest(computation, reference, result).SerializeAsString();
  const std::vector<store::Blob> columns = results::EncodeColumns(result);
  result = {};  // hundreds of megabytes, in the columns now
  HOMOLOG_RETURN_IF_ERROR(
      PutOrMakeRoom(context, computation.operation, inputs.ids[reference], manifest, columns));
  return results::RecordPairs(*context.store, inputs.ids[reference], PairIds(inputs, reference));
}

}  // namespace

absl::Status RunCorrelation(const AnalysisContext& context, const CorrelationInputs& inputs,
                            const std::string& operation, analysis::RunControl& control) {
  Computation computation{inputs, operation, {}, {}};
  results::StoredPairs pairs(*context.store);
  HOMOLOG_ASSIGN_OR_RETURN(const CorrelationGaps gaps,
                           FindGaps(inputs, pairs, Known::kByValue, control));
  HOMOLOG_RETURN_IF_ERROR(RecordStored(*context.store, inputs, gaps));
  if (gaps.missing.empty()) return absl::OkStatus();
  analysis::CorrelationSet set;
  if (!gaps.models.empty()) {
    HOMOLOG_ASSIGN_OR_RETURN(set, Compute(context, inputs, gaps, operation, control));
    computation.plan = PlanProto(set.plan);
  }
  control.OnStage("storing");
  HOMOLOG_RETURN_IF_ERROR(CheckUnchanged(*context.store, inputs.dataset));
  for (const MissingResult& missing : gaps.missing) {
    // What was computed is stored in any case: it took long.
    if (gaps.models.empty()) HOMOLOG_RETURN_IF_ERROR(control.Check());
    HOMOLOG_ASSIGN_OR_RETURN(
        analysis::CorrelationResult result,
        AssembleResult(*context.store, gaps, missing, inputs.checkpoints.size(), set.results));
    HOMOLOG_RETURN_IF_ERROR(Store(context, computation, missing.reference, std::move(result)));
  }
  DeleteSnapshots(context.snapshots, operation);
  return absl::OkStatus();
}

absl::StatusOr<CorrelationWork> PlanWork(const AnalysisContext& context,
                                         const CorrelationInputs& inputs) {
  results::StoredPairs pairs(*context.store);
  analysis::RunControl nobody;
  HOMOLOG_ASSIGN_OR_RETURN(const CorrelationGaps gaps,
                           FindGaps(inputs, pairs, Known::kBySize, nobody));
  CorrelationWork work;
  work.stored_results = static_cast<int64_t>(gaps.stored.size());
  HOMOLOG_ASSIGN_OR_RETURN(const analysis::CorrelationPlan plan, PlanGaps(inputs, gaps));
  for (const analysis::PlannedPass& pass : plan.passes) {
    work.forward_passes += static_cast<int64_t>(pass.models.size());
  }
  work.forward_tokens =
      work.forward_passes * inputs.dataset.sequence_count() * inputs.dataset.sequence_length();
  work.multiplications = plan.multiplications;
  work.forward_multiplications = plan.forward_multiplications;
  return work;
}

absl::StatusOr<Job> PrepareCorrelation(const AnalysisContext& context,
                                       const v1::ComputeCorrelationsRequest& request) {
  auto hold = std::make_shared<store::Store::Hold>(context.store);
  HOMOLOG_ASSIGN_OR_RETURN(CorrelationInputs validated, ValidateCorrelation(context, request));
  const auto inputs = std::make_shared<const CorrelationInputs>(std::move(validated));
  Job job;
  job.hold = std::move(hold);
  job.kind = std::string(kCorrelationKind);
  job.result = FormatName(kCorrelations, inputs->ids[0]);
  if (request.every_reference()) {
    for (const std::string& id : inputs->ids) {
      job.results.push_back(FormatName(kCorrelations, id));
    }
  }
  job.request = request.SerializeAsString();
  job.run = [context, inputs](const std::string& operation, analysis::RunControl& control) {
    return RunCorrelation(context, *inputs, operation, control);
  };
  return job;
}

}  // namespace homolog::operations
