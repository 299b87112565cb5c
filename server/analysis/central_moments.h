// Moments of a distribution from sums of powers.
//
// Thread-safety: pure function.
#ifndef HOMOLOG_SERVER_ANALYSIS_CENTRAL_MOMENTS_H_
#define HOMOLOG_SERVER_ANALYSIS_CENTRAL_MOMENTS_H_

#include <cmath>

namespace homolog::analysis {

// Variance with 1 / n; third and fourth standardised moment, 0 where the variance is.
struct Moments {
  double mean = 0, variance = 0, skew = 0, kurtosis = 0;
};

// sums: of the numbers, their squares, cubes and fourth powers, over n of them; taken about a point
// that is not many deviations from the mean.
inline Moments CentralMoments(double n, const double* sums) {
  const double mean = sums[0] / n, second = sums[1] / n, third = sums[2] / n, fourth = sums[3] / n;
  const double variance = second - mean * mean;
  // What rounding leaves of nothing.
  if (!(variance > 1e-14 * second)) return {mean, 0, 0, 0};
  const double m3 = third - 3 * mean * second + 2 * mean * mean * mean;
  const double m4 =
      fourth - 4 * mean * third + 6 * mean * mean * second - 3 * mean * mean * mean * mean;
  return {mean, variance, m3 / (variance * std::sqrt(variance)), m4 / (variance * variance)};
}

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_CENTRAL_MOMENTS_H_
