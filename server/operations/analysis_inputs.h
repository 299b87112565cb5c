// What every analysis begins with: checkpoints and a data set that fit together.
//
// Thread-safety: pure functions; registry and store are thread-safe.
#ifndef HOMOLOG_SERVER_OPERATIONS_ANALYSIS_INPUTS_H_
#define HOMOLOG_SERVER_OPERATIONS_ANALYSIS_INPUTS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "common/limits.h"
#include "homolog/v1/checkpoint.pb.h"
#include "homolog/v1/correlation.pb.h"
#include "homolog/v1/dataset.pb.h"
#include "server/checkpoints/registry.h"
#include "server/datasets/tokenizer_cache.h"
#include "server/operations/snapshot_files.h"
#include "server/results/request_digest.h"
#include "server/store/store.h"

namespace homolog::operations {

// What the jobs work with; all outlive them.
struct AnalysisContext {
  checkpoints::Registry* registry = nullptr;
  datasets::TokenizerCache* tokenizers = nullptr;
  store::Store* store = nullptr;
  int64_t memory_budget_bytes = 0;  // for weights and moments together
  SnapshotSettings snapshots = {};
  Limits limits = {};
};

v1::ModelShape ShapeProto(const engine::ModelShape& shape);

// The checkpoint `name` with the digest of its weights. INVALID_ARGUMENT, NOT_FOUND, and
// FAILED_PRECONDITION (CHECKPOINT_INVALID).
absl::StatusOr<checkpoints::CheckpointInfo> IdentifyCheckpoint(const AnalysisContext& context,
                                                               const std::string& name);

// The checkpoint in memory. FAILED_PRECONDITION (reason CHECKPOINT_CHANGED) where its files are
// no longer those that `identified` names; and as Registry::Acquire.
absl::StatusOr<checkpoints::CheckpointHandle> AcquireUnchanged(
    const AnalysisContext& context, const checkpoints::CheckpointInfo& identified);

// INVALID_ARGUMENT unless the checkpoint can read the data set: reason TOKENIZER_MISMATCH,
// VOCABULARY_MISMATCH (the data set has an id that the checkpoint has no embedding for) or
// SEQUENCE_TOO_LONG, with both values.
absl::Status CheckFits(const AnalysisContext& context,
                       const checkpoints::CheckpointInfo& checkpoint, const v1::Dataset& dataset);

// RESOURCE_EXHAUSTED (reason MEMORY_BUDGET) with both numbers where `bytes` can never fit.
absl::Status CheckMemory(const AnalysisContext& context, int64_t bytes);

// Adds all that determines what the checkpoint computes: the same weights under another config.json
// (another activation function, another number of heads) are another model.
void AddToDigest(std::string_view key, const checkpoints::CheckpointInfo& checkpoint,
                 results::RequestDigest& digest);

// The checkpoint as it enters a result.
v1::ResultCheckpoint ResultCheckpointProto(const checkpoints::CheckpointInfo& checkpoint);

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_ANALYSIS_INPUTS_H_
