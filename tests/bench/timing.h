// Plain timing.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_TESTS_BENCH_TIMING_H_
#define HOMOLOG_TESTS_BENCH_TIMING_H_

#include <functional>
#include <vector>

namespace homolog::bench {

struct Timing {
  double min = 0, median = 0;  // seconds
};

// Seconds on a clock that only goes forward.
double Now();

// `seconds` is not empty; of an even number the median is the mean of the middle two.
Timing Summarise(std::vector<double> seconds);

// Runs `work` once untimed, then `repetitions` (> 0) times.
Timing Repeat(int repetitions, const std::function<void()>& work);

}  // namespace homolog::bench

#endif  // HOMOLOG_TESTS_BENCH_TIMING_H_
