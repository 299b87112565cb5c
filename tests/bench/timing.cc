#include "tests/bench/timing.h"

#include <algorithm>
#include <chrono>

namespace homolog::bench {

double Now() {
  const auto since_start = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since_start).count();
}

Timing Summarise(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  const size_t middle = seconds.size() / 2;
  const double median =
      seconds.size() % 2 == 1 ? seconds[middle] : (seconds[middle - 1] + seconds[middle]) / 2;
  return {seconds.front(), median};
}

Timing Repeat(int repetitions, const std::function<void()>& work) {
  work();
  std::vector<double> seconds;
  for (int i = 0; i < repetitions; ++i) {
    const double start = Now();
    work();
    seconds.push_back(Now() - start);
  }
  return Summarise(std::move(seconds));
}

}  // namespace homolog::bench
