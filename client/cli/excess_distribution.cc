#include "client/cli/excess_distribution.h"

#include <algorithm>
#include <cmath>

namespace homolog::cli {
namespace {

// Best pairing reaches little of the lower half, same_index all of it.
constexpr double kLow = -1, kHigh = 1, kExcessWidth = 0.02;
constexpr int kCells = 200;

int Cell(double value) {
  return std::clamp(static_cast<int>(std::floor((value - kLow) / (kHigh - kLow) * kCells)), 0,
                    kCells - 1);
}

}  // namespace

void ExcessDistribution::Add(double baseline, double max_corr, double excess) {
  ++excess_[static_cast<int>(std::floor(std::clamp(excess, -2.0, 2.0) / kExcessWidth))];
  ++scatter_[{Cell(baseline), Cell(max_corr)}];
}

void ExcessDistribution::WriteHistogram(nlohmann::json& out) const {
  out["width"] = kExcessWidth;
  out["counts"] = nlohmann::json::array();
  out["low"] = excess_.empty() ? 0.0 : excess_.begin()->first * kExcessWidth;
  if (excess_.empty()) return;
  std::vector<int64_t> counts(
      static_cast<size_t>(excess_.rbegin()->first - excess_.begin()->first + 1), 0);
  for (const auto& [bin, count] : excess_) {
    counts[static_cast<size_t>(bin - excess_.begin()->first)] = count;
  }
  out["counts"] = counts;
}

void ExcessDistribution::WriteScatter(nlohmann::json& out) const {
  nlohmann::json cells = nlohmann::json::array();
  for (const auto& [cell, count] : scatter_) cells.push_back({cell.first, cell.second, count});
  out["scatter"] = {{"low", kLow}, {"high", kHigh}, {"bins", kCells}, {"cells", cells}};
}

}  // namespace homolog::cli
