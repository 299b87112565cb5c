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
#include <optional>
#include <string>
#include <vector>

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

// Of the store, at one moment.
struct StoreCounts {
  struct Results {
    std::string kind;
    int64_t count = 0, bytes = 0;
  };
  int64_t disk_bytes = 0, free_bytes = 0, result_budget_bytes = 0;
  std::vector<Results> results;
  int64_t datasets = 0, dataset_bytes = 0, operations = 0;
  // Since the start.
  int64_t evicted_results = 0, damaged_results = 0;
};

// Of RocksDB, at one moment.
struct RocksdbCounts {
  uint64_t memtable_bytes = 0, table_bytes = 0, pending_compaction_bytes = 0, block_cache_bytes = 0;
  // Since the start.
  uint64_t written_bytes = 0, read_bytes = 0, wal_syncs = 0, block_cache_hits = 0,
           block_cache_misses = 0, compaction_written_bytes = 0;
};

// Of the device and of this process, at one moment.
struct ResourceCounts {
  int64_t device_total_bytes = 0, device_used_bytes = 0;
  int64_t resident_bytes = 0, open_files = 0;
  double cpu_seconds = 0, start_seconds = 0;  // since 1970
};

struct Metrics {
  explicit Metrics(const std::string& version);

  // The metrics of "CheckpointService/GetCheckpoint"; make them once per method and keep them.
  std::unique_ptr<MethodMetrics> Method(const std::string& method);
  // kind: "correlation", "ablation", "study"; outcome: "succeeded", "failed", "cancelled". seconds:
  // from the start of the work; nothing where it never started.
  void OperationEnded(const std::string& kind, const std::string& outcome,
                      std::optional<double> seconds);

  // Called before the text is made; the counts since the start never fall.
  void SetCheckpoints(const CheckpointCounts& counts);
  void SetOperations(int64_t queued, int64_t running);
  void SetStore(const StoreCounts& counts);
  void SetStoreReadOnly(bool read_only);
  void SetRocksdb(const RocksdbCounts& counts);
  void SetResources(const ResourceCounts& counts);

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
  prometheus::Family<prometheus::Histogram>& operation_seconds_;
  prometheus::Gauge& queued_operations_;
  prometheus::Gauge& running_operations_;
  prometheus::Gauge& store_read_only_;
  prometheus::Gauge& store_disk_bytes_;
  prometheus::Gauge& store_free_bytes_;
  prometheus::Family<prometheus::Gauge>& store_results_;
  prometheus::Family<prometheus::Gauge>& store_result_bytes_;
  prometheus::Gauge& store_result_budget_bytes_;
  prometheus::Gauge& store_datasets_;
  prometheus::Gauge& store_dataset_bytes_;
  prometheus::Gauge& store_operations_;
  prometheus::Counter& store_evictions_;
  prometheus::Counter& store_damaged_;
  prometheus::Gauge& rocksdb_memtable_bytes_;
  prometheus::Gauge& rocksdb_table_bytes_;
  prometheus::Gauge& rocksdb_pending_compaction_bytes_;
  prometheus::Gauge& rocksdb_block_cache_bytes_;
  prometheus::Counter& rocksdb_written_bytes_;
  prometheus::Counter& rocksdb_read_bytes_;
  prometheus::Counter& rocksdb_wal_syncs_;
  prometheus::Counter& rocksdb_block_cache_hits_;
  prometheus::Counter& rocksdb_block_cache_misses_;
  prometheus::Counter& rocksdb_compaction_written_bytes_;
  prometheus::Gauge& device_total_bytes_;
  prometheus::Gauge& device_used_bytes_;
  prometheus::Gauge& resident_bytes_;
  prometheus::Gauge& open_files_;
  prometheus::Gauge& start_seconds_;
  prometheus::Counter& cpu_seconds_;
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
