// How baseline, maximum and excess correlation of many neurons are distributed.
//
// Thread-safety: belongs to one thread at a time.
#ifndef HOMOLOG_CLIENT_CLI_EXCESS_DISTRIBUTION_H_
#define HOMOLOG_CLIENT_CLI_EXCESS_DISTRIBUTION_H_

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace homolog::cli {

class ExcessDistribution {
 public:
  // Of a neuron that is not dead.
  void Add(double baseline, double max_corr, double excess);

  // low, width and counts of bins of the excess correlation on [-2, 2]; the outermost take what
  // lies beyond.
  void WriteHistogram(nlohmann::json& out) const;
  // scatter: cells [x bin, y bin, count] of baseline (x) and maximum correlation (y) on [-1, 1].
  void WriteScatter(nlohmann::json& out) const;

 private:
  std::map<int, int64_t> excess_;                   // by bin
  std::map<std::pair<int, int>, int64_t> scatter_;  // by cell
};

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_EXCESS_DISTRIBUTION_H_
