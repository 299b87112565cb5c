// From a request's NeuronSet to sets of flat indices.
//
// Thread-safety: pure functions; the store is thread-safe.
#ifndef HOMOLOG_SERVER_OPERATIONS_NEURON_SETS_H_
#define HOMOLOG_SERVER_OPERATIONS_NEURON_SETS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "homolog/v1/ablation.pb.h"
#include "server/analysis/ablation.h"
#include "server/checkpoints/registry.h"
#include "server/results/request_digest.h"
#include "server/store/store.h"

namespace homolog::operations {

struct ResolvedNeurons {
  v1::NeuronSet request;  // with every default filled in
  bool random = false;    // the sets are draws of one random set
  std::vector<analysis::NeuronSet> sets;
};

// The sets that `request` means for `checkpoint`: one, or one per draw of a random set. Errors as
// AnalysisService.RunAblation says.
absl::StatusOr<ResolvedNeurons> ResolveNeurons(const store::Store& store,
                                               const checkpoints::CheckpointInfo& checkpoint,
                                               const v1::NeuronSet& request);

// Adds all that determines the sets.
void AddToDigest(const v1::NeuronSet& complete, results::RequestDigest& digest);

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_NEURON_SETS_H_
