#include "client/cli/excess_distribution.h"

#include <gtest/gtest.h>

namespace homolog::cli {
namespace {

TEST(ExcessDistributionTest, PutsEveryCorrelationIntoTheCellThatHoldsIt) {
  ExcessDistribution distribution;
  const double pairs[][2] = {{-0.995, -0.605}, {0.105, 0.955}, {1, -1}};
  for (const auto& [baseline, max_corr] : pairs) {
    distribution.Add(baseline, max_corr, max_corr - baseline);
  }
  nlohmann::json out;
  distribution.WriteScatter(out);
  const auto& scatter = out["scatter"];
  const double low = scatter["low"],
               width = (scatter["high"].get<double>() - low) / scatter["bins"].get<double>();
  ASSERT_EQ(scatter["cells"].size(), 3);
  for (const auto& [baseline, max_corr] : pairs) {
    bool found = false;
    for (const auto& cell : scatter["cells"]) {
      const double x = low + cell[0].get<double>() * width, y = low + cell[1].get<double>() * width;
      // 1 itself belongs to the last cell.
      found = found || (x <= baseline && baseline <= x + width + 1e-9 && y <= max_corr &&
                        max_corr <= y + width + 1e-9);
    }
    EXPECT_TRUE(found) << baseline << " " << max_corr;
  }
}

TEST(ExcessDistributionTest, CountsInBins) {
  ExcessDistribution distribution;
  for (const double excess : {-0.11, 0.05, 0.055, 0.31}) distribution.Add(0, 0, excess);
  nlohmann::json out;
  distribution.WriteHistogram(out);
  const double low = out["low"], width = out["width"];
  int64_t total = 0;
  for (const auto& count : out["counts"]) total += count.get<int64_t>();
  EXPECT_EQ(total, 4);
  auto count_at = [&](double excess) {
    return out["counts"][static_cast<size_t>((excess - low) / width)].get<int64_t>();
  };
  EXPECT_EQ(count_at(-0.11), 1);
  EXPECT_EQ(count_at(0.05), 2);
  EXPECT_EQ(count_at(0.31), 1);
  EXPECT_EQ(count_at(0.2), 0);
}

TEST(ExcessDistributionTest, OfNoNeuronsIsEmpty) {
  nlohmann::json out;
  ExcessDistribution().WriteHistogram(out);
  EXPECT_TRUE(out["counts"].empty());
}

}  // namespace
}  // namespace homolog::cli
