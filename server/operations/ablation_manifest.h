// From ablated sets to the sets that the engine measures, and back to manifests.
//
// Thread-safety: immutable; pure functions.
#ifndef HOMOLOG_SERVER_OPERATIONS_ABLATION_MANIFEST_H_
#define HOMOLOG_SERVER_OPERATIONS_ABLATION_MANIFEST_H_

#include <cstdint>
#include <vector>

#include "homolog/v1/ablation.pb.h"
#include "server/analysis/ablation.h"
#include "server/operations/ablation_request.h"

namespace homolog::operations {

// Every draw of every set, cut to each layer where it is ablated layer by layer.
class MeasuredNeurons {
 public:
  // The sets outlive it.
  MeasuredNeurons(std::vector<const AblatedSet*> sets, const engine::ModelShape& shape);

  // None of them empty.
  const std::vector<analysis::NeuronSet>& sets() const { return measured_; }
  // Name, neurons, scope and effects of set number `set`. result: of sets().
  v1::Ablation Manifest(size_t set, const analysis::AblationResult& result) const;

 private:
  // Where the draws of a set, or of its part in one layer, are in `measured_`.
  struct Draws {
    int64_t layer = -1;  // -1: the whole model
    std::vector<size_t> places;
  };
  Draws AddDraws(const AblatedSet& set, int64_t layer);

  const std::vector<const AblatedSet*> sets_;
  const engine::ModelShape shape_;
  std::vector<analysis::NeuronSet> measured_;
  std::vector<std::vector<Draws>> draws_;  // by set
};

// Fills in what all sets of one checkpoint have in common.
void DescribeAblation(const AblationInputs& inputs, const checkpoints::CheckpointInfo& checkpoint,
                      v1::Ablation& manifest);

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_ABLATION_MANIFEST_H_
