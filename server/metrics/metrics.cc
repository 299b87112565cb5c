#include "server/metrics/metrics.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <utility>

namespace homolog::metrics {
namespace {

const prometheus::Histogram::BucketBoundaries kSeconds = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};

prometheus::Family<prometheus::Counter>& CounterFamily(prometheus::Registry& registry,
                                                       const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

prometheus::Counter& OneCounter(prometheus::Registry& registry, const char* name,
                                const char* help) {
  return CounterFamily(registry, name, help).Add({});
}

prometheus::Gauge& OneGauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

void RaiseTo(int64_t total, prometheus::Counter& counter) {
  counter.Increment(std::max(0.0, static_cast<double>(total) - counter.Value()));
}

}  // namespace

MethodMetrics::MethodMetrics(std::string method, prometheus::Family<prometheus::Counter>& requests,
                             prometheus::Histogram& seconds)
    : method_(std::move(method)), requests_(requests), seconds_(seconds) {}

void MethodMetrics::Observe(int code, const std::string& code_name, double seconds) {
  std::atomic<prometheus::Counter*>& slot = by_code_.at(code);
  prometheus::Counter* counter = slot.load();
  if (counter == nullptr) {
    counter = &requests_.Add({{"method", method_}, {"code", code_name}});
    slot.store(counter);
  }
  counter->Increment();
  seconds_.Observe(seconds);
}

Metrics::Metrics(const std::string& version)
    : registry(std::make_shared<prometheus::Registry>()),
      requests_(CounterFamily(*registry, "homolog_requests_total",
                              "RPCs that ended, by method and status code.")),
      request_seconds_(prometheus::BuildHistogram()
                           .Name("homolog_request_duration_seconds")
                           .Help("Time from an RPC's arrival to its end, by method.")
                           .Register(*registry)),
      operations_(CounterFamily(*registry, "homolog_operations_total",
                                "Operations that ended, by kind and outcome.")),
      loaded_checkpoints_(
          OneGauge(*registry, "homolog_loaded_checkpoints", "Checkpoints in device memory.")),
      loading_checkpoints_(OneGauge(*registry, "homolog_loading_checkpoints",
                                    "Checkpoints on their way into device memory.")),
      weight_bytes_(OneGauge(*registry, "homolog_loaded_bytes",
                             "Bytes of device memory that checkpoints' weights take.")),
      weight_budget_bytes_(OneGauge(*registry, "homolog_memory_budget_bytes",
                                    "Bytes of device memory that checkpoints' weights may take.")),
      loads_(
          OneCounter(*registry, "homolog_checkpoint_loads_total", "Checkpoints that were loaded.")),
      load_failures_(OneCounter(*registry, "homolog_checkpoint_load_failures_total",
                                "Loads that failed, also for want of memory.")),
      evictions_(OneCounter(*registry, "homolog_checkpoint_evictions_total",
                            "Checkpoints dropped from device memory to make room.")),
      tokens(OneCounter(*registry, "homolog_tokens_total", "Tokens that went through a model.")),
      store_hits(OneCounter(*registry, "homolog_store_hits_total",
                            "Results asked for that the store had.")),
      store_misses(OneCounter(*registry, "homolog_store_misses_total",
                              "Results asked for that had to be computed.")),
      queue_depth(OneGauge(*registry, "homolog_queue_depth", "Tasks that wait for the device.")) {
  prometheus::BuildGauge()
      .Name("homolog_build_info")
      .Help("Always 1; the version is a label.")
      .Register(*registry)
      .Add({{"version", version}})
      .Set(1);
}

std::unique_ptr<MethodMetrics> Metrics::Method(const std::string& method) {
  return std::unique_ptr<MethodMetrics>(
      new MethodMetrics(method, requests_, request_seconds_.Add({{"method", method}}, kSeconds)));
}

void Metrics::OperationEnded(const std::string& kind, const std::string& outcome) {
  operations_.Add({{"kind", kind}, {"outcome", outcome}}).Increment();
}

void Metrics::SetCheckpoints(const CheckpointCounts& counts) {
  loaded_checkpoints_.Set(static_cast<double>(counts.loaded));
  loading_checkpoints_.Set(static_cast<double>(counts.loading));
  weight_bytes_.Set(static_cast<double>(counts.bytes));
  weight_budget_bytes_.Set(static_cast<double>(counts.budget_bytes));
  const std::lock_guard lock(totals_mutex_);
  RaiseTo(counts.loads, loads_);
  RaiseTo(counts.load_failures, load_failures_);
  RaiseTo(counts.evictions, evictions_);
}

std::string Serialize(const Metrics& metrics) {
  return prometheus::TextSerializer().Serialize(metrics.registry->Collect());
}

}  // namespace homolog::metrics
