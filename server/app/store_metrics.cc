#include "server/app/store_metrics.h"

namespace homolog::app {

void SetStoreMetrics(const store::Store& store, metrics::Metrics& metrics) {
  metrics.SetStoreReadOnly(store.read_only_reason().has_value());
  if (const absl::StatusOr<store::StoreStats> stats = store.Stats(); stats.ok()) {
    metrics::StoreCounts counts = {.disk_bytes = stats->disk_bytes,
                                   .free_bytes = stats->free_bytes,
                                   .result_budget_bytes = stats->result_budget_bytes,
                                   .results = {},
                                   .datasets = stats->dataset_count,
                                   .dataset_bytes = stats->dataset_bytes,
                                   .operations = stats->operation_count,
                                   .evicted_results = stats->evicted_results,
                                   .damaged_results = stats->damaged_results};
    for (const auto& [kind, total] : stats->results) {
      counts.results.push_back({kind, total.count, total.bytes});
    }
    metrics.SetStore(counts);
  }
  const store::EngineStats engine = store.engine_stats();
  metrics.SetRocksdb({.memtable_bytes = engine.memtable_bytes,
                      .table_bytes = engine.table_bytes,
                      .pending_compaction_bytes = engine.pending_compaction_bytes,
                      .block_cache_bytes = engine.block_cache_bytes,
                      .written_bytes = engine.bytes_written,
                      .read_bytes = engine.bytes_read,
                      .wal_syncs = engine.wal_syncs,
                      .block_cache_hits = engine.block_cache_hits,
                      .block_cache_misses = engine.block_cache_misses,
                      .compaction_written_bytes = engine.compaction_bytes_written});
}

}  // namespace homolog::app
