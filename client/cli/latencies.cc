#include "client/cli/latencies.h"

#include <algorithm>
#include <cmath>

namespace homolog::cli {
namespace {

constexpr double kGrowth = 1.02, kLowest = 1e-6, kHighest = 3 * 3600;

size_t BucketOf(double seconds) {
  const double within = std::clamp(seconds, kLowest, kHighest);
  return static_cast<size_t>(std::log(within / kLowest) / std::log(kGrowth));
}

double MiddleOf(size_t bucket) {
  return kLowest * std::pow(kGrowth, static_cast<double>(bucket) + 0.5);
}

}  // namespace

void Latencies::Add(std::chrono::nanoseconds latency) {
  const double seconds = std::chrono::duration<double>(latency).count();
  const size_t bucket = BucketOf(seconds);
  if (bucket >= buckets_.size()) buckets_.resize(bucket + 1);
  ++buckets_[bucket];
  ++count_;
  max_seconds_ = std::max(max_seconds_, seconds);
}

void Latencies::Merge(const Latencies& other) {
  buckets_.resize(std::max(buckets_.size(), other.buckets_.size()));
  for (size_t i = 0; i < other.buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_seconds_ = std::max(max_seconds_, other.max_seconds_);
}

double Latencies::Percentile(double share) const {
  const auto rank =
      std::max<int64_t>(1, std::llround(std::ceil(share * static_cast<double>(count_))));
  int64_t passed = 0;
  for (size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    passed += buckets_[bucket];
    // The middle of the last bucket may lie beyond everything in it.
    if (passed >= rank) return std::min(MiddleOf(bucket), max_seconds_);
  }
  return max_seconds_;
}

}  // namespace homolog::cli
