// How long calls took: enough to say percentiles, in little memory whatever their number.
#ifndef HOMOLOG_CLIENT_CLI_LATENCIES_H_
#define HOMOLOG_CLIENT_CLI_LATENCIES_H_

#include <chrono>
#include <cstdint>
#include <vector>

namespace homolog::cli {

// A histogram whose buckets grow by 2 %, from 1 microsecond to 3 hours; what is beyond counts as
// the bound. Percentiles are the middle of a bucket, and so within 1 % of the exact ones.
//
// Thread-safety: one thread at a time.
class Latencies {
 public:
  void Add(std::chrono::nanoseconds latency);
  // Adds all that `other` holds.
  void Merge(const Latencies& other);

  int64_t count() const { return count_; }
  // The longest, exactly; 0 where there are none.
  double max_seconds() const { return max_seconds_; }
  // The least latency, in seconds, that `share` (0 to 1) of all do not exceed (nearest rank); 0
  // where there are none.
  double Percentile(double share) const;

 private:
  std::vector<int64_t> buckets_;  // as far as the highest that is not empty
  int64_t count_ = 0;
  double max_seconds_ = 0;
};

}  // namespace homolog::cli

#endif  // HOMOLOG_CLIENT_CLI_LATENCIES_H_
