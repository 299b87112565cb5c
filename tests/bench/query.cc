// homolog-bench query
#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "homolog/v1/analysis_service.pb.h"
#include "homolog/v1/correlation.pb.h"
#include "server/results/neuron_detail.h"
#include "server/results/neuron_query.h"
#include "server/results/neuron_table.h"
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

// Random numbers, which no compression makes smaller, for `width` a neuron.
template <typename Number>
std::vector<Number> RandomNumbers(int64_t neurons, int64_t width, uint32_t below,
                                  std::mt19937_64& random) {
  std::vector<Number> numbers(static_cast<size_t>(neurons * width));
  for (Number& number : numbers) number = static_cast<Number>(random() % below);
  return numbers;
}

// What a query must not read: a hundred times what it reads.
analysis::CorrelationDistribution RandomDistribution(int64_t neurons, std::mt19937_64& random) {
  const auto below = static_cast<uint32_t>(neurons);
  analysis::CorrelationDistribution d;
  d.kept = std::min(neurons, analysis::kKeptPartners);
  d.top_corr = d.bottom_corr = RandomNumbers<float>(neurons, d.kept, 1000, random);
  d.top_sim = d.bottom_sim = RandomNumbers<int32_t>(neurons, d.kept, below, random);
  d.histogram = RandomNumbers<uint32_t>(neurons, analysis::kCorrelationBins, 1000, random);
  d.mean = d.variance = d.skew = d.kurtosis = RandomNumbers<float>(neurons, 1, 1000, random);
  return d;
}

analysis::NeuronStatistics RandomStatistics(int64_t neurons) {
  std::mt19937_64 random(7);
  analysis::NeuronStatistics s;
  s.mean = s.variance = s.skew = s.kurtosis = s.active_share = s.minimum = s.maximum =
      s.histogram_low = s.histogram_width = RandomNumbers<float>(neurons, 1, 1000, random);
  s.histogram = RandomNumbers<uint32_t>(neurons, analysis::kActivationBins, 1000, random);
  s.kept = analysis::kKeptPositions;
  s.top_activation = RandomNumbers<float>(neurons, s.kept, 1000, random);
  s.top_position = RandomNumbers<int64_t>(neurons, s.kept, 1000, random);
  return s;
}

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
  pair.distribution = RandomDistribution(neurons, random);
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
  result.statistics = RandomStatistics(neurons);
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

Rows::value_type Row(const char* name, const Flags& flags, int64_t found, int64_t returned,
                     const Timing& timing) {
  return {{"query", name},
          {"neurons", flags.layers * flags.d_mlp()},
          {"partners", flags.partners},
          {"found", found},
          {"returned", returned},
          {"milliseconds_min", timing.min * 1e3},
          {"milliseconds_median", timing.median * 1e3}};
}

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
  return Row(query.name, flags, response->total_size(), response->neurons_size(), timing);
}

// Neuron after neuron, all over the result.
absl::StatusOr<Rows::value_type> MeasureNeuron(const Flags& flags, const store::Store& store,
                                               int repetitions) {
  v1::GetNeuronRequest request;
  request.set_correlation(FormatName(kCorrelations, kId));
  std::mt19937 random(3);
  absl::Status status;
  const Timing timing = Repeat(repetitions, [&] {
    request.set_layer(static_cast<int32_t>(random() % flags.layers));
    request.set_neuron(static_cast<int32_t>(random() % flags.d_mlp()));
    status.Update(results::GetNeuron(store, request).status());
  });
  HOMOLOG_RETURN_IF_ERROR(status);
  return Row("all that is known of a neuron", flags, 1, 1, timing);
}

absl::StatusOr<Rows::value_type> MeasureTable(const Flags& flags, const store::Store& store,
                                              int repetitions) {
  v1::GetNeuronTableRequest request;
  request.set_correlation(FormatName(kCorrelations, kId));
  absl::StatusOr<v1::GetNeuronTableResponse> response;
  const Timing timing =
      Repeat(repetitions, [&] { response = results::GetNeuronTable(store, request); });
  HOMOLOG_RETURN_IF_ERROR(response.status());
  return Row("table, first page", flags, response->total_size(), response->neuron_count(), timing);
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
  for (const auto measure : {MeasureNeuron, MeasureTable}) {
    HOMOLOG_ASSIGN_OR_RETURN(Rows::value_type row, measure(flags, *store, common.Repetitions(20)));
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
