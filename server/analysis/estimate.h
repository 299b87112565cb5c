// A mean with its standard error, one value at a time.
//
// Thread-safety: belongs to one thread at a time.
#ifndef HOMOLOG_SERVER_ANALYSIS_ESTIMATE_H_
#define HOMOLOG_SERVER_ANALYSIS_ESTIMATE_H_

#include <cmath>
#include <cstdint>

namespace homolog::analysis {

struct Estimate {
  double mean = 0;
  // Of the mean: standard deviation (n - 1 in the denominator) / sqrt(n); 0 for one value.
  double standard_error = 0;
};

// Welford 1962.
class RunningEstimate {
 public:
  void Add(double value) {
    ++count_;
    const double difference = value - mean_;
    mean_ += difference / static_cast<double>(count_);
    squares_ += difference * (value - mean_);
  }
  Estimate Result() const {
    if (count_ < 2) return {mean_, 0};
    const auto count = static_cast<double>(count_);
    return {mean_, std::sqrt(squares_ / (count - 1) / count)};
  }

 private:
  int64_t count_ = 0;
  double mean_ = 0, squares_ = 0;
};

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_ESTIMATE_H_
