#include "server/operations/study_work.h"

#include "common/error.h"
#include "server/analysis/correlation_plan.h"
#include "server/operations/ablation_job.h"
#include "server/operations/correlation_job.h"
#include "server/results/result_codec.h"

namespace homolog::operations {
namespace {

// Adds up the parts.
class Planner {
 public:
  Planner(const AnalysisContext& context, const StudyInputs& inputs)
      : context_(context), inputs_(inputs) {}

  // Returns its tokens.
  absl::StatusOr<int64_t> AddCorrelation(const CorrelationInputs& correlation) {
    HOMOLOG_ASSIGN_OR_RETURN(const CorrelationWork work, PlanWork(context_, correlation));
    plan_.correlations += static_cast<int64_t>(correlation.ids.size());
    plan_.stored_correlations += work.stored_results;
    plan_.forward_passes += work.forward_passes;
    plan_.forward_tokens += work.forward_tokens;
    cost_.multiplications += work.multiplications;
    cost_.forward_multiplications += work.forward_multiplications;
    return work.forward_tokens;
  }

  int64_t AddAblations(size_t model, size_t step) {
    const checkpoints::CheckpointInfo& checkpoint = inputs_.checkpoints[model][step];
    const engine::ModelShape& shape = checkpoint.description->shape;
    int64_t sets = 0;
    for (const StudyAblationRequest& ablation : AblationsOf(inputs_, model, step)) {
      ++plan_.ablations;
      const std::string id = AblationId(checkpoint, inputs_.ablation_dataset, inputs_.method,
                                        ablation.neurons, ablation.scope);
      if (results::ReadAblation(*context_.store, id).ok()) {
        ++plan_.stored_ablations;
        continue;
      }
      const bool random =
          ablation.neurons.has_random() || ablation.neurons.has_random_layer_matched();
      sets +=
          MeasuredSets(ablation.scope, shape.layers, random ? inputs_.study.ablation().draws() : 1);
    }
    if (sets == 0) return 0;
    const v1::Dataset& dataset = inputs_.ablation_dataset;
    const int64_t tokens =
        analysis::AblationPositions(shape, inputs_.method.options().kind, sets,
                                    dataset.sequence_count(), dataset.sequence_length());
    plan_.forward_tokens += tokens;
    plan_.forward_passes += tokens / (dataset.sequence_count() * dataset.sequence_length());
    cost_.forward_multiplications +=
        static_cast<double>(tokens) *
        (analysis::ForwardMultiplications(shape, dataset.sequence_length()) +
         static_cast<double>(shape.vocabulary_size * shape.d_model));
    return tokens;
  }

  analysis::StudyPlan Result(double multiplications_per_second) {
    cost_.multiplications_per_second = multiplications_per_second;
    if (multiplications_per_second > 0) plan_.estimated_seconds = EstimatedSeconds(cost_);
    return plan_;
  }

 private:
  const AnalysisContext& context_;
  const StudyInputs& inputs_;
  analysis::StudyPlan plan_;
  analysis::CorrelationPlan cost_;
};

}  // namespace

absl::StatusOr<StudyWork> PlanStudy(const AnalysisContext& context, const StudyInputs& inputs,
                                    double multiplications_per_second) {
  StudyWork work;
  Planner planner(context, inputs);
  for (const CorrelationInputs& correlation : inputs.by_step) {
    HOMOLOG_ASSIGN_OR_RETURN(const int64_t tokens, planner.AddCorrelation(correlation));
    work.by_step.push_back(tokens);
  }
  for (size_t model = 0; model < inputs.checkpoints.size(); ++model) {
    std::vector<int64_t>& ablations = work.ablations.emplace_back();
    for (size_t step = 0; step < inputs.by_step.size(); ++step) {
      ablations.push_back(planner.AddAblations(model, step));
    }
    std::vector<int64_t>& between = work.between_steps.emplace_back();
    for (const CorrelationInputs& correlation : inputs.between_steps[model]) {
      HOMOLOG_ASSIGN_OR_RETURN(const int64_t tokens, planner.AddCorrelation(correlation));
      between.push_back(tokens);
    }
  }
  if (inputs.same_index) {
    HOMOLOG_ASSIGN_OR_RETURN(work.same_index, planner.AddCorrelation(*inputs.same_index));
  }
  work.plan = planner.Result(multiplications_per_second);
  return work;
}

}  // namespace homolog::operations
