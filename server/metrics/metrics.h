// What the server counts, as Prometheus families. One struct, passed in; no globals.
//
// Thread-safety: all methods may be called from any thread.
#ifndef HOMOLOG_SERVER_METRICS_METRICS_H_
#define HOMOLOG_SERVER_METRICS_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

namespace homolog::metrics {

// Requests of one RPC method. Counters are made when a code is first seen and kept.
class MethodMetrics {
 public:
  // code: 0 to 16, with its name ("OK", "NOT_FOUND").
  void Observe(int code, const std::string& code_name, double seconds);

 private:
  friend struct Metrics;
  MethodMetrics(std::string method, prometheus::Family<prometheus::Counter>& requests,
                prometheus::Histogram& seconds);
  const std::string method_;
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Histogram& seconds_;
  std::array<std::atomic<prometheus::Counter*>, 17> by_code_{};
};

// Of the loaded checkpoints, at one moment.
struct CheckpointCounts {
  int64_t loaded = 0, loading = 0;
  int64_t bytes = 0, budget_bytes = 0;
  // Since the start.
  int64_t loads = 0, load_failures = 0, evictions = 0;
};

struct Metrics {
  explicit Metrics(const std::string& version);

  // The metrics of "CheckpointService/GetCheckpoint"; make them once per method and keep them.
  std::unique_ptr<MethodMetrics> Method(const std::string& method);
  // kind: "correlation", "ablation"; outcome: "succeeded", "failed", "cancelled".
  void OperationEnded(const std::string& kind, const std::string& outcome);

  // Called before the text is made; the counts since the start never fall.
  void SetCheckpoints(const CheckpointCounts& counts);

  const std::shared_ptr<prometheus::Registry> registry;

 private:
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Family<prometheus::Histogram>& request_seconds_;
  prometheus::Family<prometheus::Counter>& operations_;
  prometheus::Gauge& loaded_checkpoints_;
  prometheus::Gauge& loading_checkpoints_;
  prometheus::Gauge& weight_bytes_;
  prometheus::Gauge& weight_budget_bytes_;
  prometheus::Counter& loads_;
  prometheus::Counter& load_failures_;
  prometheus::Counter& evictions_;
  std::mutex totals_mutex_;  // two scrapes at once must not both add what is missing

 public:
  prometheus::Counter& tokens;        // that went through a model
  prometheus::Counter& store_hits;    // results answered from the store
  prometheus::Counter& store_misses;  // results that had to be computed
  prometheus::Gauge& queue_depth;     // tasks that wait for the device
};

// The text of all metrics (Prometheus exposition format 0.0.4).
std::string Serialize(const Metrics& metrics);

}  // namespace homolog::metrics

#endif  // HOMOLOG_SERVER_METRICS_METRICS_H_
