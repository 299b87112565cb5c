#include "server/analysis/correlation_pairs.h"

namespace homolog::analysis {

bool IsReference(const CorrelationOptions& options, int64_t model) {
  return model == 0 || options.every_reference;
}

std::vector<ModelPair> MultipliedPairs(const CorrelationOptions& options, int64_t models) {
  std::vector<ModelPair> pairs;
  for (int64_t first = 0; first < models && IsReference(options, first); ++first) {
    for (int64_t second = first + 1; second < models; ++second) {
      const ModelPair pair(first, second);
      if (options.known_pairs.count(pair) == 0) pairs.push_back(pair);
    }
  }
  return pairs;
}

std::set<int64_t> RunningModels(const CorrelationOptions& options, int64_t models) {
  std::set<int64_t> running;
  for (const auto& [first, second] : MultipliedPairs(options, models)) {
    running.insert({first, second});
  }
  return running;
}

}  // namespace homolog::analysis
