#include "server/operations/study_run.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "server/analysis/families.h"
#include "server/analysis/persistence.h"
#include "server/analysis/universality.h"
#include "server/operations/ablation_job.h"
#include "server/operations/correlation_job.h"
#include "server/operations/plan_proto.h"
#include "server/operations/study_control.h"
#include "server/operations/timing.h"
#include "server/results/families.h"
#include "server/results/neuron_request.h"
#include "server/results/request_digest.h"
#include "server/results/result_codec.h"
#include "server/results/studies.h"

namespace homolog::operations {
namespace {

// A change that changes which neurons are in a family changes this.
constexpr std::string_view kFamilyAlgorithm = "families/1";

// One study on its way through its parts.
class StudyRun {
 public:
  StudyRun(const AnalysisContext& context, const StudyInputs& inputs, const StudyWork& work,
           const std::string& operation, analysis::RunControl& control, int64_t* tokens)
      : context_(context),
        inputs_(inputs),
        work_(work),
        operation_(operation),
        control_(control, work.plan.forward_tokens, tokens),
        study_(inputs.study),
        universal_(inputs.checkpoints.size(),
                   std::vector<std::vector<std::vector<bool>>>(inputs.study.thresholds_size())) {}

  absl::Status Run() {
    HOMOLOG_ASSIGN_OR_RETURN(rule_, results::RuleOf(study_.rule()));
    for (size_t step = 0; step < inputs_.by_step.size(); ++step) {
      HOMOLOG_RETURN_IF_ERROR(RunStep(step));
    }
    for (size_t model = 0; model < inputs_.between_steps.size(); ++model) {
      HOMOLOG_RETURN_IF_ERROR(FollowNeurons(model));
    }
    HOMOLOG_RETURN_IF_ERROR(CorrelateSameIndex());
    control_.EndParts();
    return absl::OkStatus();
  }

  // Once all has run.
  absl::Status Put(const Stopwatch& stopwatch) {
    AddEmergence();
    std::vector<std::vector<std::vector<int32_t>>> kept;
    for (size_t model = 0; model < universal_.size(); ++model) {
      std::vector<std::vector<int32_t>>& of_model = kept.emplace_back();
      for (const auto& by_step : universal_[model]) {
        HOMOLOG_RETURN_IF_ERROR(control_.Check());
        of_model.push_back(analysis::KeptCounts(by_step, Shape(model).layers));
      }
    }
    *study_.mutable_plan() = StudyPlanProto(work_.plan);
    study_.set_forward_tokens(control_.tokens());
    study_.set_operation(operation_);
    *study_.mutable_create_time() = stopwatch.now();
    *study_.mutable_duration() = stopwatch.elapsed();
    return results::PutStudy(*context_.store, study_, kept);
  }

 private:
  const engine::ModelShape& Shape(size_t model) const {
    return inputs_.checkpoints[model][0].description->shape;
  }
  const std::string& Model(size_t model) const { return study_.models(static_cast<int>(model)); }
  const std::string& Step(size_t step) const { return study_.steps(static_cast<int>(step)); }
  std::string StepLabel(size_t step) const {
    return absl::StrCat("step ", Step(step), " (", step + 1, " of ", study_.steps_size(), ")");
  }
  size_t MainThreshold() const {
    size_t place = 0;
    while (study_.thresholds(static_cast<int>(place)) != study_.main_threshold()) ++place;
    return place;
  }

  // Correlates all models at a step, classifies their neurons, and ablates them.
  absl::Status RunStep(size_t step) {
    const CorrelationInputs& correlation = inputs_.by_step[step];
    control_.BeginPart(StepLabel(step), work_.by_step[step]);
    HOMOLOG_RETURN_IF_ERROR(RunCorrelation(context_, correlation, operation_, control_));
    HOMOLOG_RETURN_IF_ERROR(control_.EndPart());
    std::vector<std::vector<analysis::PairCorrelations>> pairs;
    for (size_t model = 0; model < correlation.ids.size(); ++model) {
      const std::string& id = correlation.ids[model];
      AddCorrelationPart(model, step, v1::PAIRING_BEST, id);
      HOMOLOG_ASSIGN_OR_RETURN(const v1::Correlation manifest,
                               results::ReadCorrelation(*context_.store, id));
      HOMOLOG_ASSIGN_OR_RETURN(results::CorrelationColumns columns,
                               results::ReadColumns(*context_.store, id, manifest));
      Classify(model, columns);
      pairs.push_back(std::move(columns.partners));
    }
    HOMOLOG_RETURN_IF_ERROR(FindFamilies(step, pairs));
    for (size_t model = 0; model < correlation.ids.size(); ++model) {
      HOMOLOG_RETURN_IF_ERROR(Ablate(model, step));
    }
    return absl::OkStatus();
  }

  void AddCorrelationPart(size_t model, size_t step, v1::Pairing pairing, const std::string& id) {
    v1::StudyCorrelation& part = *study_.mutable_parts()->add_correlations();
    part.set_model(Model(model));
    part.set_step(Step(step));
    part.set_pairing(pairing);
    part.set_correlation(FormatName(kCorrelations, id));
  }

  void Classify(size_t model, const results::CorrelationColumns& columns) {
    for (size_t i = 0; i < universal_[model].size(); ++i) {
      universal_[model][i].push_back(analysis::UniversalNeurons(
          columns.partners, columns.dead, rule_, study_.thresholds(static_cast<int>(i))));
    }
  }

  absl::Status FindFamilies(size_t step,
                            const std::vector<std::vector<analysis::PairCorrelations>>& pairs) {
    v1::FamilySet manifest;
    results::RequestDigest digest(kFamilyAlgorithm);
    for (size_t model = 0; model < pairs.size(); ++model) {
      const std::string correlation = FormatName(kCorrelations, inputs_.by_step[step].ids[model]);
      digest.Add("correlation", correlation);
      // Members are known by the names of their checkpoints.
      digest.Add("checkpoint", inputs_.checkpoints[model][step].name.ToString());
      manifest.add_correlations(correlation);
      *manifest.add_checkpoints() = ResultCheckpointProto(inputs_.checkpoints[model][step]);
    }
    digest.Add("threshold", study_.main_threshold());
    manifest.set_name(FormatName(kFamilies, digest.Finish()));
    manifest.set_threshold(study_.main_threshold());
    *manifest.mutable_create_time() = Stopwatch::now();
    if (!results::ReadFamilies(*context_.store, manifest.name()).ok()) {
      HOMOLOG_RETURN_IF_ERROR(results::PutFamilies(
          *context_.store, manifest, analysis::FindFamilies(pairs, study_.main_threshold())));
    }
    HOMOLOG_ASSIGN_OR_RETURN(const v1::FamilySet stored,
                             results::ReadFamilySet(*context_.store, manifest.name()));
    v1::StudyFamilies& part = *study_.mutable_parts()->add_families();
    part.set_step(Step(step));
    part.set_families(stored.name());
    part.set_family_count(stored.family_count());
    return absl::OkStatus();
  }

  absl::Status Ablate(size_t model, size_t step) {
    const std::string name = inputs_.checkpoints[model][step].name.ToShortString();
    control_.BeginPart(absl::StrCat(StepLabel(step), ", ", name), work_.ablations[model][step]);
    AblationInputs ablations{inputs_.ablation_dataset, inputs_.method, {}};
    AblationTarget& target = ablations.targets.emplace_back();
    target.checkpoint = inputs_.checkpoints[model][step];
    NeuronSetResolver resolver(*context_.store, target.checkpoint, context_.limits);
    for (const StudyAblationRequest& wanted : AblationsOf(inputs_, model, step)) {
      v1::StudyAblationPart& part = *study_.mutable_parts()->add_ablations();
      part.set_model(Model(model));
      part.set_step(Step(step));
      part.set_threshold(wanted.threshold);
      part.set_set(wanted.set);
      part.set_scope(wanted.scope);
      absl::StatusOr<ResolvedNeurons> neurons = resolver.Resolve(wanted.neurons);
      if (ErrorReason(neurons.status()) == "EMPTY_NEURON_SET") {
        part.set_absent_reason(wanted.set == v1::STUDY_SET_OTHERS
                                   ? absl::StrCat("every neuron of ", name,
                                                  " is universal at threshold ", wanted.threshold)
                                   : absl::StrCat("no neuron of ", name,
                                                  " is universal at threshold ", wanted.threshold));
        continue;
      }
      HOMOLOG_RETURN_IF_ERROR(neurons.status());
      std::string id = AblationId(target.checkpoint, inputs_.ablation_dataset, inputs_.method,
                                  neurons->request, wanted.scope);
      part.set_ablation(FormatName(kAblations, id));
      target.sets.push_back({*std::move(neurons), wanted.scope, std::move(id)});
    }
    HOMOLOG_RETURN_IF_ERROR(RunAblations(context_, ablations, operation_, control_));
    return control_.EndPart();
  }

  // To the next step of the same model, step by step.
  absl::Status FollowNeurons(size_t model) {
    for (size_t step = 0; step < inputs_.between_steps[model].size(); ++step) {
      const CorrelationInputs& correlation = inputs_.between_steps[model][step];
      control_.BeginPart(absl::StrCat(inputs_.checkpoints[model][step].name.model, " from step ",
                                      Step(step), " to ", Step(step + 1)),
                         work_.between_steps[model][step]);
      HOMOLOG_RETURN_IF_ERROR(RunCorrelation(context_, correlation, operation_, control_));
      HOMOLOG_RETURN_IF_ERROR(control_.EndPart());
      HOMOLOG_ASSIGN_OR_RETURN(const v1::Correlation manifest,
                               results::ReadCorrelation(*context_.store, correlation.ids[0]));
      HOMOLOG_ASSIGN_OR_RETURN(const results::CorrelationColumns columns,
                               results::ReadColumns(*context_.store, correlation.ids[0], manifest));
      const auto& by_step = universal_[model][MainThreshold()];
      const analysis::LineageCounts counts =
          analysis::CountLineages(columns.partners[0], by_step[step], by_step[step + 1]);
      v1::LineageSummary& lineage = *study_.add_lineages();
      lineage.set_model(Model(model));
      lineage.set_from_step(Step(step));
      lineage.set_to_step(Step(step + 1));
      lineage.set_became_count(counts.became);
      lineage.set_stayed_count(counts.stayed);
      lineage.set_ceased_count(counts.ceased);
      lineage.set_never_count(counts.never);
      lineage.set_forward_correlation(FormatName(kCorrelations, correlation.ids[0]));
      lineage.set_backward_correlation(FormatName(kCorrelations, correlation.ids[1]));
    }
    return absl::OkStatus();
  }

  absl::Status CorrelateSameIndex() {
    if (!inputs_.same_index) return absl::OkStatus();
    control_.BeginPart("same index", work_.same_index);
    HOMOLOG_RETURN_IF_ERROR(RunCorrelation(context_, *inputs_.same_index, operation_, control_));
    for (size_t model = 0; model < inputs_.same_index->ids.size(); ++model) {
      AddCorrelationPart(model, inputs_.by_step.size() - 1, v1::PAIRING_SAME_INDEX,
                         inputs_.same_index->ids[model]);
    }
    return absl::OkStatus();
  }

  void AddEmergence() {
    for (size_t model = 0; model < universal_.size(); ++model) {
      for (size_t step = 0; step < inputs_.by_step.size(); ++step) {
        for (size_t i = 0; i < universal_[model].size(); ++i) {
          v1::Emergence& emergence = *study_.add_emergence();
          emergence.set_model(Model(model));
          emergence.set_step(Step(step));
          emergence.set_threshold(study_.thresholds(static_cast<int>(i)));
          int64_t total = 0;
          for (const int64_t count :
               analysis::CountByLayer(universal_[model][i][step], Shape(model).layers)) {
            emergence.add_layer_counts(count);
            total += count;
          }
          emergence.set_universal_count(total);
          emergence.set_universal_share(static_cast<double>(total) /
                                        static_cast<double>(Shape(model).neurons()));
        }
      }
    }
  }

  const AnalysisContext& context_;
  const StudyInputs& inputs_;
  const StudyWork& work_;
  const std::string& operation_;
  StudyControl control_;
  v1::Study study_;
  analysis::UniversalityRule rule_ = analysis::UniversalityRule::kMean;
  std::vector<std::vector<std::vector<std::vector<bool>>>> universal_;  // [model, threshold, step]
};

}  // namespace

absl::Status RunStudy(const AnalysisContext& context, const StudyInputs& inputs,
                      const StudyWork& work, const std::string& operation,
                      analysis::RunControl& control, int64_t* tokens) {
  const Stopwatch stopwatch;
  StudyRun run(context, inputs, work, operation, control, tokens);
  HOMOLOG_RETURN_IF_ERROR(run.Run());
  control.OnStage("storing");
  return run.Put(stopwatch);
}

}  // namespace homolog::operations
