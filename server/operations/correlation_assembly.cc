#include "server/operations/correlation_assembly.h"

#include <algorithm>
#include <utility>

#include "common/error.h"
#include "server/results/result_codec.h"

namespace homolog::operations {
namespace {

// The place of a checkpoint among the models that were computed; their number where it is none.
size_t PlaceOf(const CorrelationGaps& gaps, size_t checkpoint) {
  return static_cast<size_t>(std::find(gaps.models.begin(), gaps.models.end(), checkpoint) -
                             gaps.models.begin());
}

absl::StatusOr<analysis::CorrelationResult> ReadStoredReference(const store::Store& store,
                                                                const MissingResult& missing) {
  // All of its pairs are known, and every one of them says the same.
  const results::StoredPair& pair = missing.known.begin()->second;
  return results::ReadReference(store, pair.correlation, *pair.manifest);
}

}  // namespace

absl::StatusOr<analysis::CorrelationResult> AssembleResult(
    const store::Store& store, const CorrelationGaps& gaps, const MissingResult& missing,
    size_t checkpoints, std::vector<analysis::CorrelationResult>& computed) {
  const size_t place = PlaceOf(gaps, missing.reference);
  analysis::CorrelationResult result;
  if (place < gaps.models.size()) {
    result = std::exchange(computed[place], {});
  } else {
    HOMOLOG_ASSIGN_OR_RETURN(result, ReadStoredReference(store, missing));
  }
  std::vector<analysis::PairCorrelations> pairs = std::exchange(result.partners, {});
  for (size_t partner = 0; partner < checkpoints; ++partner) {
    if (partner == missing.reference) continue;
    if (const auto known = missing.known.find(partner); known != missing.known.end()) {
      const results::StoredPair& pair = known->second;
      HOMOLOG_ASSIGN_OR_RETURN(
          analysis::PairCorrelations read,
          results::ReadPair(store, pair.correlation, *pair.manifest, pair.partner));
      result.partners.push_back(std::move(read));
    } else {
      // A result has no place for its reference.
      const size_t there = PlaceOf(gaps, partner);
      result.partners.push_back(std::move(pairs[there < place ? there : there - 1]));
    }
  }
  return result;
}

}  // namespace homolog::operations
