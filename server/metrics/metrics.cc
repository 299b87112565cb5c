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

prometheus::Family<prometheus::Gauge>& GaugeFamily(prometheus::Registry& registry, const char* name,
                                                   const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

// Operations take from a tenth of a second to days.
const prometheus::Histogram::BucketBoundaries kLongSeconds = {
    0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600};

template <typename Number>
void Set(prometheus::Gauge& gauge, Number value) {
  gauge.Set(static_cast<double>(value));
}

template <typename Number>
void RaiseTo(Number total, prometheus::Counter& counter) {
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
      operation_seconds_(prometheus::BuildHistogram()
                             .Name("homolog_operation_duration_seconds")
                             .Help("Time from an operation's start to its end, by kind.")
                             .Register(*registry)),
      queued_operations_(
          OneGauge(*registry, "homolog_operations_queued", "Operations that wait for the device.")),
      running_operations_(OneGauge(*registry, "homolog_operations_running", "Operations at work.")),
      store_read_only_(OneGauge(*registry, "homolog_store_read_only",
                                "1 while the store takes no writes, else 0.")),
      store_disk_bytes_(OneGauge(*registry, "homolog_store_disk_bytes",
                                 "Bytes of the store's folder, snapshots included.")),
      store_free_bytes_(OneGauge(*registry, "homolog_store_free_bytes",
                                 "Bytes that are free on the store's disk.")),
      store_results_(GaugeFamily(*registry, "homolog_store_results", "Stored results, by kind.")),
      store_result_bytes_(GaugeFamily(*registry, "homolog_store_result_bytes",
                                      "Bytes of stored results before compression, by kind.")),
      store_result_budget_bytes_(OneGauge(*registry, "homolog_store_result_budget_bytes",
                                          "Bytes that stored results may take; 0: no limit.")),
      store_datasets_(OneGauge(*registry, "homolog_store_datasets", "Stored data sets.")),
      store_dataset_bytes_(OneGauge(*registry, "homolog_store_dataset_bytes",
                                    "Bytes of stored tokens before compression.")),
      store_operations_(
          OneGauge(*registry, "homolog_store_operations", "Operations that are known.")),
      store_evictions_(OneCounter(*registry, "homolog_store_evictions_total",
                                  "Results that were evicted to make room.")),
      store_damaged_(OneCounter(*registry, "homolog_store_damaged_results_total",
                                "Results that were found damaged, and dropped.")),
      rocksdb_memtable_bytes_(
          OneGauge(*registry, "homolog_rocksdb_memtable_bytes", "Bytes not yet in tables.")),
      rocksdb_table_bytes_(
          OneGauge(*registry, "homolog_rocksdb_table_bytes", "Bytes of table files.")),
      rocksdb_pending_compaction_bytes_(OneGauge(*registry,
                                                 "homolog_rocksdb_pending_compaction_bytes",
                                                 "Bytes that compactions still have to rewrite.")),
      rocksdb_block_cache_bytes_(
          OneGauge(*registry, "homolog_rocksdb_block_cache_bytes", "Bytes of cached blocks.")),
      rocksdb_written_bytes_(OneCounter(*registry, "homolog_rocksdb_written_bytes_total",
                                        "Bytes of keys and values written.")),
      rocksdb_read_bytes_(OneCounter(*registry, "homolog_rocksdb_read_bytes_total",
                                     "Bytes of values read by key.")),
      rocksdb_wal_syncs_(
          OneCounter(*registry, "homolog_rocksdb_wal_syncs_total", "Syncs of the log.")),
      rocksdb_block_cache_hits_(OneCounter(*registry, "homolog_rocksdb_block_cache_hits_total",
                                           "Blocks that the cache had.")),
      rocksdb_block_cache_misses_(OneCounter(*registry, "homolog_rocksdb_block_cache_misses_total",
                                             "Blocks that had to be read.")),
      rocksdb_compaction_written_bytes_(OneCounter(*registry,
                                                   "homolog_rocksdb_compaction_written_bytes_total",
                                                   "Bytes that compactions wrote.")),
      device_total_bytes_(OneGauge(*registry, "homolog_device_memory_total_bytes",
                                   "Memory of the device that computes.")),
      device_used_bytes_(
          OneGauge(*registry, "homolog_device_memory_used_bytes",
                   "Of it in use: on CUDA by everyone, on the CPU by this process.")),
      resident_bytes_(
          OneGauge(*registry, "process_resident_memory_bytes", "Resident memory size in bytes.")),
      open_files_(OneGauge(*registry, "process_open_fds", "Number of open file descriptors.")),
      start_seconds_(OneGauge(*registry, "process_start_time_seconds",
                              "Start time of the process since unix epoch in seconds.")),
      cpu_seconds_(OneCounter(*registry, "process_cpu_seconds_total",
                              "Total user and system CPU time spent in seconds.")),
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

void Metrics::OperationEnded(const std::string& kind, const std::string& outcome,
                             std::optional<double> seconds) {
  operations_.Add({{"kind", kind}, {"outcome", outcome}}).Increment();
  if (seconds) operation_seconds_.Add({{"kind", kind}}, kLongSeconds).Observe(*seconds);
}

void Metrics::SetOperations(int64_t queued, int64_t running) {
  Set(queued_operations_, queued);
  Set(running_operations_, running);
}

void Metrics::SetStoreReadOnly(bool read_only) { store_read_only_.Set(read_only ? 1 : 0); }

void Metrics::SetStore(const StoreCounts& counts) {
  Set(store_disk_bytes_, counts.disk_bytes);
  Set(store_free_bytes_, counts.free_bytes);
  Set(store_result_budget_bytes_, counts.result_budget_bytes);
  for (const StoreCounts::Results& results : counts.results) {
    Set(store_results_.Add({{"kind", results.kind}}), results.count);
    Set(store_result_bytes_.Add({{"kind", results.kind}}), results.bytes);
  }
  Set(store_datasets_, counts.datasets);
  Set(store_dataset_bytes_, counts.dataset_bytes);
  Set(store_operations_, counts.operations);
  const std::lock_guard lock(totals_mutex_);
  RaiseTo(counts.evicted_results, store_evictions_);
  RaiseTo(counts.damaged_results, store_damaged_);
}

void Metrics::SetRocksdb(const RocksdbCounts& counts) {
  Set(rocksdb_memtable_bytes_, counts.memtable_bytes);
  Set(rocksdb_table_bytes_, counts.table_bytes);
  Set(rocksdb_pending_compaction_bytes_, counts.pending_compaction_bytes);
  Set(rocksdb_block_cache_bytes_, counts.block_cache_bytes);
  const std::lock_guard lock(totals_mutex_);
  RaiseTo(counts.written_bytes, rocksdb_written_bytes_);
  RaiseTo(counts.read_bytes, rocksdb_read_bytes_);
  RaiseTo(counts.wal_syncs, rocksdb_wal_syncs_);
  RaiseTo(counts.block_cache_hits, rocksdb_block_cache_hits_);
  RaiseTo(counts.block_cache_misses, rocksdb_block_cache_misses_);
  RaiseTo(counts.compaction_written_bytes, rocksdb_compaction_written_bytes_);
}

void Metrics::SetResources(const ResourceCounts& counts) {
  Set(device_total_bytes_, counts.device_total_bytes);
  Set(device_used_bytes_, counts.device_used_bytes);
  Set(resident_bytes_, counts.resident_bytes);
  Set(open_files_, counts.open_files);
  start_seconds_.Set(counts.start_seconds);
  const std::lock_guard lock(totals_mutex_);
  RaiseTo(counts.cpu_seconds, cpu_seconds_);
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
