// From a request's NeuronSet to sets of flat indices.
//
// Thread-safety: a resolver belongs to one thread at a time; the store is thread-safe.
#ifndef HOMOLOG_SERVER_OPERATIONS_NEURON_SETS_H_
#define HOMOLOG_SERVER_OPERATIONS_NEURON_SETS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "homolog/v1/ablation.pb.h"
#include "server/analysis/neuron_set.h"
#include "server/checkpoints/registry.h"
#include "server/results/families.h"
#include "server/results/request_digest.h"
#include "server/results/result_codec.h"
#include "server/store/store.h"

namespace homolog::operations {

// Of a random set that names no number.
inline constexpr int kDefaultDraws = 5;

struct ResolvedNeurons {
  v1::NeuronSet request;  // with every default filled in
  bool random = false;    // the sets are draws of one random set
  std::vector<analysis::NeuronSet> sets;
};

// The sets of one checkpoint. A correlation that one set after the other goes by
// is read once.
class NeuronSetResolver {
 public:
  // Store and checkpoint outlive the resolver.
  NeuronSetResolver(const store::Store& store, const checkpoints::CheckpointInfo& checkpoint,
                    const Limits& limits = {})
      : store_(store), checkpoint_(checkpoint), limits_(limits) {}

  // The sets that `request` means: one, or one per draw of a random set. Errors as
  // AnalysisService.RunAblation says.
  absl::StatusOr<ResolvedNeurons> Resolve(const v1::NeuronSet& request);

 private:
  absl::StatusOr<const results::CorrelationColumns*> Columns(const std::string& correlation);
  absl::StatusOr<std::vector<bool>> UniversalFlags(v1::UniversalNeurons& universal);
  absl::StatusOr<std::vector<analysis::NeuronSet>> RandomSets(v1::RandomNeurons& random,
                                                              bool layer_matched);
  absl::StatusOr<analysis::NeuronSet> FamilyMembers(const v1::FamilyNeurons& family);

  const store::Store& store_;
  const checkpoints::CheckpointInfo& checkpoint_;
  const Limits limits_;
  // Of the last correlation, which the next set often goes by, too.
  std::string correlation_;
  results::CorrelationColumns columns_;
  std::map<std::string, results::StoredFamilies> families_;  // by name
};

// Adds all that determines the sets.
void AddToDigest(const v1::NeuronSet& complete, results::RequestDigest& digest);

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_NEURON_SETS_H_
