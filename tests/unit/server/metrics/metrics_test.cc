#include "server/metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace homolog::metrics {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(MetricsTest, CountsRequestsByMethodAndCode) {
  Metrics metrics("1.2.3");
  const std::unique_ptr<MethodMetrics> get = metrics.Method("S/Get"),
                                       list = metrics.Method("S/List");
  get->Observe(0, "OK", 0.003);
  get->Observe(0, "OK", 0.2);
  get->Observe(5, "NOT_FOUND", 400);
  list->Observe(16, "UNAUTHENTICATED", 0);
  EXPECT_THAT(
      Serialize(metrics),
      AllOf(HasSubstr("homolog_requests_total{code=\"OK\",method=\"S/Get\"} 2"),
            HasSubstr("homolog_requests_total{code=\"NOT_FOUND\",method=\"S/Get\"} 1"),
            HasSubstr("homolog_requests_total{code=\"UNAUTHENTICATED\",method=\"S/List\"} 1"),
            HasSubstr("homolog_request_duration_seconds_count{method=\"S/Get\"} 3"),
            HasSubstr("homolog_request_duration_seconds_bucket{method=\"S/Get\",le=\"0.005\"} 1"),
            HasSubstr("homolog_request_duration_seconds_bucket{method=\"S/Get\",le=\"300\"} 2"),
            HasSubstr("homolog_request_duration_seconds_bucket{method=\"S/Get\",le=\"+Inf\"} 3")));
}

TEST(MetricsTest, ShowsNoCodeThatWasNeverSeen) {
  Metrics metrics("1.2.3");
  const std::unique_ptr<MethodMetrics> get = metrics.Method("S/Get");
  EXPECT_THAT(Serialize(metrics), Not(HasSubstr("homolog_requests_total{")));
}

TEST(MetricsTest, CountsEveryRequestOfManyThreads) {
  Metrics metrics("1.2.3");
  const std::unique_ptr<MethodMetrics> get = metrics.Method("S/Get");
  std::vector<std::future<void>> threads;
  for (int t = 0; t < 4; ++t) {
    threads.push_back(std::async(std::launch::async, [&] {
      for (int i = 0; i < 1700; ++i) get->Observe(i % 17, "CODE_" + std::to_string(i % 17), 0.1);
    }));
  }
  for (auto& thread : threads) thread.get();
  const std::string text = Serialize(metrics);
  for (int code = 0; code < 17; ++code) {
    EXPECT_THAT(text,
                HasSubstr("{code=\"CODE_" + std::to_string(code) + "\",method=\"S/Get\"} 400\n"));
  }
}

TEST(MetricsTest, CountsOperationsByKindAndOutcome) {
  Metrics metrics("1.2.3");
  metrics.OperationEnded("correlation", "succeeded", 2.5);
  metrics.OperationEnded("correlation", "succeeded", 90);
  metrics.OperationEnded("ablation", "cancelled", std::nullopt);
  EXPECT_THAT(
      Serialize(metrics),
      AllOf(HasSubstr("homolog_operations_total{kind=\"correlation\",outcome=\"succeeded\"} 2"),
            HasSubstr("homolog_operations_total{kind=\"ablation\",outcome=\"cancelled\"} 1"),
            HasSubstr("homolog_operation_duration_seconds_bucket{kind=\"correlation\",le=\"5\"} 1"),
            HasSubstr("homolog_operation_duration_seconds_sum{kind=\"correlation\"} 92.5"),
            Not(HasSubstr("homolog_operation_duration_seconds_count{kind=\"ablation\"}"))));
}

TEST(MetricsTest, ShowsTheStoreAndTheProcess) {
  Metrics metrics("1.2.3");
  metrics.SetOperations(3, 1);
  metrics.SetStoreReadOnly(true);
  metrics.SetStore({.disk_bytes = 10,
                    .free_bytes = 20,
                    .result_budget_bytes = 30,
                    .results = {{"correlations", 2, 50}, {"studies", 1, 5}},
                    .datasets = 4,
                    .dataset_bytes = 40,
                    .operations = 6,
                    .evicted_results = 7,
                    .damaged_results = 8});
  metrics.SetRocksdb({.memtable_bytes = 11, .wal_syncs = 12});
  metrics.SetResources({.device_total_bytes = 13, .resident_bytes = 14, .cpu_seconds = 1.5});
  metrics.SetResources({.device_total_bytes = 13, .resident_bytes = 14, .cpu_seconds = 2.5});
  EXPECT_THAT(
      Serialize(metrics),
      AllOf(HasSubstr("homolog_operations_queued 3\n"), HasSubstr("homolog_operations_running 1\n"),
            HasSubstr("homolog_store_read_only 1\n"), HasSubstr("homolog_store_disk_bytes 10\n"),
            HasSubstr("homolog_store_results{kind=\"correlations\"} 2\n"),
            HasSubstr("homolog_store_result_bytes{kind=\"studies\"} 5\n"),
            HasSubstr("homolog_store_evictions_total 7\n"),
            HasSubstr("homolog_store_damaged_results_total 8\n"),
            HasSubstr("homolog_rocksdb_wal_syncs_total 12\n"),
            HasSubstr("homolog_device_memory_total_bytes 13\n"),
            HasSubstr("process_resident_memory_bytes 14\n"),
            HasSubstr("process_cpu_seconds_total 2.5\n")));
}

TEST(MetricsTest, HasWhatDashboardsAskForFromTheStart) {
  Metrics metrics("1.2.3");
  metrics.tokens.Increment(12);
  metrics.store_hits.Increment();
  metrics.SetCheckpoints({.loaded = 2,
                          .loading = 1,
                          .bytes = 4096,
                          .budget_bytes = 8192,
                          .loads = 5,
                          .load_failures = 3,
                          .evictions = 1});
  metrics.SetCheckpoints({.loaded = 0, .bytes = 4096, .budget_bytes = 8192, .loads = 6});
  EXPECT_THAT(
      Serialize(metrics),
      AllOf(HasSubstr("homolog_tokens_total 12\n"), HasSubstr("homolog_store_hits_total 1\n"),
            HasSubstr("homolog_store_misses_total 0\n"), HasSubstr("homolog_queue_depth 0\n"),
            HasSubstr("homolog_loaded_checkpoints 0\n"), HasSubstr("homolog_loaded_bytes 4096\n"),
            HasSubstr("homolog_loading_checkpoints 0\n"),
            HasSubstr("homolog_memory_budget_bytes 8192\n"),
            HasSubstr("homolog_checkpoint_loads_total 6\n"),
            HasSubstr("homolog_checkpoint_load_failures_total 3\n"),
            HasSubstr("homolog_checkpoint_evictions_total 1\n"),
            HasSubstr("homolog_build_info{version=\"1.2.3\"} 1\n")));
}

TEST(MetricsTest, SaysOfEveryFamilyWhatItIs) {
  Metrics metrics("1.2.3");
  metrics.Method("S/Get")->Observe(0, "OK", 1);
  metrics.OperationEnded("ablation", "failed", 1);
  std::istringstream lines(Serialize(metrics));
  int helps = 0, types = 0;
  for (std::string line; std::getline(lines, line);) {
    helps += line.starts_with("# HELP homolog_") ? 1 : 0;
    types += line.starts_with("# TYPE homolog_") ? 1 : 0;
  }
  EXPECT_EQ(helps, 39);
  EXPECT_EQ(types, helps);
}

}  // namespace
}  // namespace homolog::metrics
