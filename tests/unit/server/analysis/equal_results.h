// Results that are the same, bit by bit.
#ifndef HOMOLOG_TESTS_UNIT_SERVER_ANALYSIS_EQUAL_RESULTS_H_
#define HOMOLOG_TESTS_UNIT_SERVER_ANALYSIS_EQUAL_RESULTS_H_

#include <gtest/gtest.h>

#include <cstddef>

#include "server/analysis/correlation_result.h"

namespace homolog::analysis {

inline void ExpectEqualPairs(const PairCorrelations& a, const PairCorrelations& b) {
  EXPECT_EQ(a.max_corr, b.max_corr);
  EXPECT_EQ(a.max_sim, b.max_sim);
  EXPECT_EQ(a.min_corr, b.min_corr);
  EXPECT_EQ(a.min_sim, b.min_sim);
  EXPECT_EQ(a.baseline, b.baseline);
  EXPECT_EQ(a.baseline_std, b.baseline_std);
  EXPECT_EQ(a.partner_dead, b.partner_dead);
  EXPECT_EQ(a.distribution.top_corr, b.distribution.top_corr);
  EXPECT_EQ(a.distribution.top_sim, b.distribution.top_sim);
  EXPECT_EQ(a.distribution.bottom_corr, b.distribution.bottom_corr);
  EXPECT_EQ(a.distribution.bottom_sim, b.distribution.bottom_sim);
  EXPECT_EQ(a.distribution.mean, b.distribution.mean);
  EXPECT_EQ(a.distribution.variance, b.distribution.variance);
  EXPECT_EQ(a.distribution.skew, b.distribution.skew);
  EXPECT_EQ(a.error.max_abs, b.error.max_abs);
  EXPECT_EQ(a.distribution.histogram, b.distribution.histogram);
  EXPECT_EQ(a.distribution.kurtosis, b.distribution.kurtosis);
  EXPECT_EQ(a.layer_similarity, b.layer_similarity);
}

inline void ExpectEqualResults(const CorrelationResult& a, const CorrelationResult& b) {
  EXPECT_EQ(a.counted_positions, b.counted_positions);
  EXPECT_EQ(a.dead, b.dead);
  EXPECT_EQ(a.statistics.mean, b.statistics.mean);
  EXPECT_EQ(a.statistics.kurtosis, b.statistics.kurtosis);
  EXPECT_EQ(a.statistics.variance, b.statistics.variance);
  EXPECT_EQ(a.statistics.histogram, b.statistics.histogram);
  EXPECT_EQ(a.statistics.histogram_low, b.statistics.histogram_low);
  EXPECT_EQ(a.statistics.top_position, b.statistics.top_position);
  ASSERT_EQ(a.partners.size(), b.partners.size());
  for (size_t i = 0; i < a.partners.size(); ++i) ExpectEqualPairs(a.partners[i], b.partners[i]);
}

}  // namespace homolog::analysis

#endif  // HOMOLOG_TESTS_UNIT_SERVER_ANALYSIS_EQUAL_RESULTS_H_
