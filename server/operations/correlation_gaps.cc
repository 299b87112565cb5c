#include "server/operations/correlation_gaps.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "common/error.h"

namespace homolog::operations {
namespace {

// Two checkpoints by their numbers, the lower first.
using CheckpointPair = std::pair<size_t, size_t>;

// What is known of the result of `reference`.
absl::StatusOr<MissingResult> FindKnown(const CorrelationInputs& inputs, size_t reference,
                                        results::StoredPairs& pairs, Known known,
                                        analysis::RunControl& control) {
  MissingResult result{reference, {}};
  for (size_t partner = 0; partner < inputs.checkpoints.size(); ++partner) {
    if (partner == reference) continue;
    HOMOLOG_RETURN_IF_ERROR(control.Check());
    std::optional<results::StoredPair> pair = pairs.Find(KeyOfPair(inputs, reference, partner));
    if (!pair || (known == Known::kByValue && !pairs.IsReadable(*pair))) continue;
    result.known.emplace(partner, *std::move(pair));
  }
  return result;
}

// Pairs of which a result wants a direction that is not known.
std::set<CheckpointPair> UnknownPairs(const CorrelationGaps& gaps, size_t checkpoints) {
  std::set<CheckpointPair> unknown;
  for (const MissingResult& result : gaps.missing) {
    for (size_t partner = 0; partner < checkpoints; ++partner) {
      if (partner == result.reference || result.known.count(partner) > 0) continue;
      unknown.insert(std::minmax(result.reference, partner));
    }
  }
  return unknown;
}

// The models of those pairs, and options that leave out all others.
void SetComputation(const CorrelationInputs& inputs, const std::set<CheckpointPair>& unknown,
                    CorrelationGaps& gaps) {
  std::set<size_t> models;
  for (const auto& [first, second] : unknown) models.insert({first, second});
  gaps.models.assign(models.begin(), models.end());
  gaps.options = inputs.options;
  gaps.options.model_names.clear();
  for (size_t second = 0; second < gaps.models.size(); ++second) {
    gaps.options.model_names.push_back(inputs.options.model_names[gaps.models[second]]);
    for (size_t first = 0; first < second; ++first) {
      if (unknown.count({gaps.models[first], gaps.models[second]}) > 0) continue;
      gaps.options.known_pairs.emplace(first, second);
    }
  }
}

}  // namespace

absl::StatusOr<CorrelationGaps> FindGaps(const CorrelationInputs& inputs,
                                         results::StoredPairs& pairs, Known known,
                                         analysis::RunControl& control) {
  CorrelationGaps gaps;
  for (size_t reference = 0; reference < inputs.ids.size(); ++reference) {
    HOMOLOG_RETURN_IF_ERROR(control.Check());
    if (pairs.Complete(inputs.ids[reference]) != nullptr) {
      gaps.stored.push_back(reference);
      continue;
    }
    HOMOLOG_ASSIGN_OR_RETURN(MissingResult missing,
                             FindKnown(inputs, reference, pairs, known, control));
    gaps.missing.push_back(std::move(missing));
  }
  SetComputation(inputs, UnknownPairs(gaps, inputs.checkpoints.size()), gaps);
  return gaps;
}

absl::StatusOr<analysis::CorrelationPlan> PlanGaps(const CorrelationInputs& inputs,
                                                   const CorrelationGaps& gaps) {
  analysis::PlanRequest request;
  for (const size_t model : gaps.models) {
    request.models.push_back(inputs.checkpoints[model].description->shape);
  }
  request.sequence_length = inputs.dataset.sequence_length();
  request.sequence_count = inputs.dataset.sequence_count();
  request.options = gaps.options;
  return analysis::PlanCorrelation(request);
}

}  // namespace homolog::operations
