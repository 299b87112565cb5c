// homolog-bench query
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "homolog/v1/analysis_service.pb.h"
#include "homolog/v1/correlation.pb.h"
#include "server/results/neuron_query.h"
#include "server/results/result_codec.h"
#include "server/store/store.h"
#include "tests/bench/benchmark.h"
#include "tests/bench/timing.h"
#include "tests/support/temporary_folder.h"

namespace homolog::bench {
namespace {

constexpr char kId[] = "bench";

struct Flags {
  int64_t neurons = 100000;  // of the reference, over all layers
  int64_t layers = 10;
  int64_t partners = 1;

  int64_t d_mlp() const { return (neurons + layers - 1) / layers; }
};

// Numbers that no two neurons share, about as spread as real ones: 1 in 20 universal at 0.5.
analysis::PairCorrelations RandomPair(int64_t neurons, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> largest(0.1f, 0.63f), baseline(0.05f, 0.1f);
  std::uniform_int_distribution<int32_t> index(0, static_cast<int32_t>(neurons) - 1);
  analysis::PairCorrelations pair;
  for (int64_t i = 0; i < neurons; ++i) {
    pair.max_corr.push_back(largest(random));
    pair.max_sim.push_back(index(random));
    pair.min_corr.push_back(-largest(random));
    pair.min_sim.push_back(index(random));
    pair.baseline.push_back(baseline(random));
    pair.baseline_std.push_back(0);
  }
  return pair;
}

void SetCheckpoint(const std::string& model, const Flags& flags, v1::ResultCheckpoint& out) {
  out.set_name(absl::StrCat("models/", model, "/checkpoints/1"));
  out.mutable_shape()->set_layers(flags.layers);
  out.mutable_shape()->set_d_mlp(flags.d_mlp());
}

absl::Status PutCorrelation(const Flags& flags, store::Store& store) {
  const int64_t neurons = flags.layers * flags.d_mlp();
  analysis::CorrelationResult result;
  result.dead.assign(static_cast<size_t>(neurons), 0);
  v1::Correlation manifest;
  manifest.set_name(FormatName(kCorrelations, kId));
  SetCheckpoint("reference", flags, *manifest.mutable_reference());
  for (int64_t i = 0; i < flags.partners; ++i) {
    result.partners.push_back(RandomPair(neurons, static_cast<uint64_t>(i)));
    SetCheckpoint(absl::StrCat("partner", i), flags, *manifest.add_partners());
  }
  return store.PutResult(kCorrelations, kId, manifest.SerializeAsString(),
                         results::EncodeColumns(result));
}

struct Query {
  const char* name;
  double threshold;
  int page_size;
};

constexpr Query kQueries[] = {{"threshold 0.5, first page", 0.5, 0},
                              {"threshold 0.5, 50 best", 0.5, 50},
                              {"all neurons, first page", -2, 0},
                              {"all neurons, page of 10000", -2, 10000}};

absl::StatusOr<Rows::value_type> Measure(const Query& query, const Flags& flags,
                                         const store::Store& store, int repetitions) {
  v1::QueryUniversalNeuronsRequest request;
  request.set_correlation(FormatName(kCorrelations, kId));
  request.set_threshold(query.threshold);
  request.set_page_size(query.page_size);
  absl::StatusOr<v1::QueryUniversalNeuronsResponse> response;
  const Timing timing =
      Repeat(repetitions, [&] { response = results::QueryNeurons(store, request); });
  HOMOLOG_RETURN_IF_ERROR(response.status());
  return Rows::value_type{{"query", query.name},
                          {"neurons", response->neuron_count()},
                          {"partners", flags.partners},
                          {"found", response->total_size()},
                          {"returned", response->neurons_size()},
                          {"milliseconds_min", timing.min * 1e3},
                          {"milliseconds_median", timing.median * 1e3}};
}

absl::StatusOr<Report> MeasureAll(const Flags& flags, const CommonFlags& common) {
  const testing::TemporaryFolder folder;
  HOMOLOG_ASSIGN_OR_RETURN(const std::unique_ptr<store::Store> store,
                           store::Store::Open((folder / "store").string()));
  HOMOLOG_RETURN_IF_ERROR(PutCorrelation(flags, *store));
  Report report;
  for (const Query& query : kQueries) {
    HOMOLOG_ASSIGN_OR_RETURN(Rows::value_type row,
                             Measure(query, flags, *store, common.Repetitions(20)));
    report.rows.push_back(std::move(row));
  }
  return report;
}

}  // namespace

Run AddQuery(CLI::App& command) {
  auto flags = std::make_shared<Flags>();
  auto size = [&](const char* name, int64_t& target, int64_t limit, const char* help) {
    command.add_option(name, target, help)
        ->check(CLI::Range(int64_t{1}, limit))
        ->capture_default_str();
  };
  size("--neurons", flags->neurons, 100000000,
       "Neurons of the reference, rounded up to whole layers");
  size("--layers", flags->layers, 1000, "Layers they are spread over");
  size("--partners", flags->partners, 100, "Partners");
  return [flags](const CommonFlags& common) { return MeasureAll(*flags, common); };
}

}  // namespace homolog::bench
