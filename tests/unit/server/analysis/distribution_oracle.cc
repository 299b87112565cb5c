#include "distribution_oracle.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

namespace homolog::analysis {
namespace {

struct Moments {
  double mean = 0, variance = 0, skew = 0, kurtosis = 0;
};

Moments MomentsOf(const std::vector<double>& numbers) {
  const auto n = static_cast<double>(numbers.size());
  Moments moments;
  for (const double x : numbers) moments.mean += x / n;
  double third = 0, fourth = 0;
  for (const double x : numbers) {
    const double d = x - moments.mean;
    moments.variance += d * d / n;
    third += d * d * d / n;
    fourth += d * d * d * d / n;
  }
  if (moments.variance == 0) return moments;
  moments.skew = third / std::pow(moments.variance, 1.5);
  moments.kurtosis = fourth / std::pow(moments.variance, 2);
  return moments;
}

// Counts of numbers below each of the edges between bins: what a number a little off may move.
void ExpectHistogram(const uint32_t* actual, int64_t bins, const std::vector<double>& numbers,
                     double low, double width, double slack) {
  int64_t cumulative = 0;
  for (int64_t bin = 0; bin + 1 < bins; ++bin) {
    cumulative += actual[bin];
    const double edge = low + static_cast<double>(bin + 1) * width;
    const auto below = [&](double limit) {
      return std::count_if(numbers.begin(), numbers.end(), [&](double x) { return x < limit; });
    };
    EXPECT_GE(cumulative, below(edge - slack)) << "bin " << bin;
    EXPECT_LE(cumulative, below(edge + slack)) << "bin " << bin;
  }
  EXPECT_EQ(cumulative + actual[bins - 1], static_cast<int64_t>(numbers.size()));
}

// One end of a list: the values are the extreme ones in order, and belong to the neurons named.
void ExpectEnd(const float* corr, const int32_t* sim, int64_t kept, const std::vector<double>& rho,
               std::vector<double> sorted, double tolerance) {
  std::set<int32_t> named;
  for (int64_t i = 0; i < kept; ++i) {
    EXPECT_NEAR(corr[i], sorted[i], tolerance) << "place " << i;
    ASSERT_GE(sim[i], 0);
    ASSERT_LT(sim[i], static_cast<int64_t>(rho.size()));
    EXPECT_NEAR(corr[i], rho[sim[i]], tolerance) << "place " << i;
    EXPECT_TRUE(named.insert(sim[i]).second) << "neuron " << sim[i] << " stands twice";
    const bool tie = i > 0 && corr[i] == corr[i - 1];
    if (tie) {
      EXPECT_LT(sim[i - 1], sim[i]);
    }
  }
}

Moments FirstMoments(const std::vector<double>& x) {
  const auto first = std::min<int64_t>(1024, static_cast<int64_t>(x.size()));
  return MomentsOf(std::vector<double>(x.begin(), x.begin() + first));
}

// Bins of a quarter of a deviation from 6 deviations below the mean of some 1000 first positions; a
// neuron that hardly moves over them has a share of what the others have (`largest` at most).
void ExpectBins(double low, double width, const std::vector<double>& x, double largest) {
  const Moments moments = FirstMoments(x);
  const double deviation = std::sqrt(moments.variance);
  EXPECT_GE(width, deviation / 4 * 0.95);
  if (width > deviation / 4 * 1.05) {
    EXPECT_LE(width, std::max(1e-4 * largest, deviation == 0 ? 1.0 : 0.0) / 4 * 1.05);
    return;
  }
  EXPECT_NEAR(low, moments.mean - 6 * deviation, 0.4 * deviation + 1e-6 * std::abs(moments.mean));
}

}  // namespace

void ExpectDistribution(const CorrelationDistribution& actual, const Columns& rho,
                        double tolerance) {
  const auto neurons = static_cast<int64_t>(rho.size()),
             partner_neurons = static_cast<int64_t>(rho[0].size());
  const int64_t kept = std::min<int64_t>(50, partner_neurons);
  ASSERT_EQ(actual.kept, kept);
  ASSERT_EQ(static_cast<int64_t>(actual.top_corr.size()), neurons * kept);
  ASSERT_EQ(static_cast<int64_t>(actual.bottom_sim.size()), neurons * kept);
  ASSERT_EQ(static_cast<int64_t>(actual.histogram.size()), neurons * 100);
  for (int64_t k = 0; k < neurons; ++k) {
    SCOPED_TRACE(testing::Message() << "neuron " << k);
    std::vector<double> sorted = rho[k];
    std::sort(sorted.begin(), sorted.end());
    ExpectEnd(actual.bottom_corr.data() + k * kept, actual.bottom_sim.data() + k * kept, kept,
              rho[k], sorted, tolerance);
    std::reverse(sorted.begin(), sorted.end());
    ExpectEnd(actual.top_corr.data() + k * kept, actual.top_sim.data() + k * kept, kept, rho[k],
              sorted, tolerance);
    ExpectHistogram(actual.histogram.data() + k * 100, 100, rho[k], -1, 0.02, tolerance);
    const Moments moments = MomentsOf(rho[k]);
    EXPECT_NEAR(actual.mean[k], moments.mean, tolerance);
    EXPECT_NEAR(actual.variance[k], moments.variance, 2 * tolerance);
    // Of a spread that the tolerance does not swamp.
    if (std::sqrt(moments.variance) < 1e3 * tolerance) continue;
    EXPECT_NEAR(actual.skew[k], moments.skew, 0.01);
    EXPECT_NEAR(actual.kurtosis[k], moments.kurtosis, 0.03);
  }
}

void ExpectStatistics(const NeuronStatistics& actual, const Columns& columns,
                      const std::vector<int64_t>& positions) {
  const auto neurons = static_cast<int64_t>(columns.size());
  const int64_t kept = std::min<int64_t>(20, static_cast<int64_t>(positions.size()));
  ASSERT_EQ(static_cast<int64_t>(actual.mean.size()), neurons);
  ASSERT_EQ(actual.kept, kept);
  double largest = 0;
  for (const std::vector<double>& x : columns) {
    largest = std::max(largest, std::sqrt(FirstMoments(x).variance));
  }
  for (int64_t k = 0; k < neurons; ++k) {
    SCOPED_TRACE(testing::Message() << "neuron " << k);
    const std::vector<double>& x = columns[k];
    const Moments moments = MomentsOf(x);
    const double deviation = std::sqrt(moments.variance);
    const double rounding = 1e-6 * (std::abs(moments.mean) + deviation);
    EXPECT_NEAR(actual.mean[k], moments.mean, 1e-5 * deviation + rounding);
    // In units whose squares float32 cannot hold, the nearest that it can.
    const double variance = std::min<double>(moments.variance, std::numeric_limits<float>::max());
    EXPECT_NEAR(actual.variance[k], variance, 1e-4 * variance + rounding * deviation + 1e-37);
    EXPECT_EQ(actual.minimum[k], static_cast<float>(*std::min_element(x.begin(), x.end())));
    EXPECT_EQ(actual.maximum[k], static_cast<float>(*std::max_element(x.begin(), x.end())));
    const auto active = std::count_if(x.begin(), x.end(), [](double v) { return v > 0; });
    EXPECT_FLOAT_EQ(actual.active_share[k],
                    static_cast<float>(active) / static_cast<float>(x.size()));
    if (actual.minimum[k] == actual.maximum[k]) {
      EXPECT_EQ(actual.skew[k], 0);
      EXPECT_EQ(actual.kurtosis[k], 0);
    } else {
      EXPECT_NEAR(actual.skew[k], moments.skew, 1e-3 * (1 + std::abs(moments.skew)));
      EXPECT_NEAR(actual.kurtosis[k], moments.kurtosis, 1e-3 * moments.kurtosis);
    }
    ExpectBins(actual.histogram_low[k], actual.histogram_width[k], x, largest);
    ExpectHistogram(actual.histogram.data() + k * 80, 80, x, actual.histogram_low[k],
                    actual.histogram_width[k], 1e-4 * actual.histogram_width[k] + rounding);

    std::vector<size_t> order(x.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return x[a] > x[b]; });
    for (int64_t i = 0; i < kept; ++i) {
      EXPECT_EQ(actual.top_activation[k * kept + i], static_cast<float>(x[order[i]]));
      EXPECT_EQ(actual.top_position[k * kept + i], positions[order[i]]) << "place " << i;
    }
  }
}

namespace {

// |cov(a, b)|^2 of layers that begin at neurons a and b.
double SquaredNorm(const Columns& a, int64_t a_first, int64_t a_size, const Columns& b,
                   int64_t b_first, int64_t b_size) {
  const auto n = static_cast<double>(a[0].size());
  auto centred = [&](const std::vector<double>& column) {
    const double mean = std::accumulate(column.begin(), column.end(), 0.0) / n;
    std::vector<double> result;
    for (const double x : column) result.push_back(x - mean);
    return result;
  };
  double squares = 0;
  for (int64_t k = a_first; k < a_first + a_size; ++k) {
    const std::vector<double> x = centred(a[k]);
    for (int64_t l = b_first; l < b_first + b_size; ++l) {
      const std::vector<double> y = centred(b[l]);
      squares += std::pow(std::inner_product(x.begin(), x.end(), y.begin(), 0.0) / n, 2);
    }
  }
  return squares;
}

}  // namespace

void ExpectLayerSimilarity(const std::vector<float>& actual, const Columns& reference,
                           int64_t reference_d_mlp, const Columns& partner, int64_t partner_d_mlp,
                           double tolerance) {
  const auto rows = static_cast<int64_t>(reference.size()) / reference_d_mlp,
             columns = static_cast<int64_t>(partner.size()) / partner_d_mlp;
  ASSERT_EQ(static_cast<int64_t>(actual.size()), rows * columns);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      const int64_t a = i * reference_d_mlp, b = j * partner_d_mlp;
      const double own =
          std::sqrt(SquaredNorm(reference, a, reference_d_mlp, reference, a, reference_d_mlp) *
                    SquaredNorm(partner, b, partner_d_mlp, partner, b, partner_d_mlp));
      const double cross = SquaredNorm(reference, a, reference_d_mlp, partner, b, partner_d_mlp);
      EXPECT_NEAR(actual[i * columns + j], own > 0 ? cross / own : 0, tolerance)
          << "layers " << i << " and " << j;
    }
  }
}

}  // namespace homolog::analysis
