// A correlation made by hand: 2 layers of 3 neurons against two partners.
//
//   neuron      0:0   0:1   0:2   1:0   1:1   1:2
//   left  max   0.75  0.5   0.25  1.0   0     0.75    baseline 0.25, of 2 layers of 4 neurons
//   right max   0.5   1.0   0.25  0.5   0     0.75    baseline 0.125, of 1 layer of 2 neurons
//   mean excess 0.4375 0.5625 0.0625 0.5625 dead 0.5625
//   all         0.375 0.25  0     0.375 dead  0.5
//   any         0.5   0.875 0.125 0.75  dead  0.625
//
// Every number is exact in binary.
#ifndef HOMOLOG_TESTS_UNIT_SERVER_RESULTS_STORED_CORRELATION_H_
#define HOMOLOG_TESTS_UNIT_SERVER_RESULTS_STORED_CORRELATION_H_

#include <string>
#include <vector>

#include "homolog/v1/correlation.pb.h"
#include "server/analysis/correlation.h"
#include "server/results/result_codec.h"
#include "server/store/store.h"

namespace homolog::testing {

inline v1::Correlation HandMadeManifest(const std::string& id) {
  v1::Correlation manifest;
  manifest.set_name("correlations/" + id);
  auto fill = [](v1::ResultCheckpoint& checkpoint, const std::string& model, int64_t layers,
                 int64_t d_mlp) {
    checkpoint.set_name("models/" + model + "/checkpoints/1");
    checkpoint.set_weights_sha256("weights of " + model);
    checkpoint.mutable_shape()->set_layers(layers);
    checkpoint.mutable_shape()->set_d_mlp(d_mlp);
  };
  fill(*manifest.mutable_reference(), "reference", 2, 3);
  fill(*manifest.add_partners(), "left", 2, 4);
  fill(*manifest.add_partners(), "right", 1, 2);
  manifest.set_operation("operations/1");
  return manifest;
}

inline analysis::CorrelationResult HandMadeResult() {
  analysis::CorrelationResult result;
  result.dead = {0, 0, 0, 0, 1, 0};
  analysis::PairCorrelations left;
  left.max_corr = {0.75f, 0.5f, 0.25f, 1.0f, 0.0f, 0.75f};
  left.max_sim = {0, 1, 2, 7, 4, 5};
  left.min_corr = {-0.75f, -0.5f, -0.25f, -1.0f, 0.0f, -0.75f};
  left.min_sim = {7, 6, 5, 4, 3, 2};
  left.baseline = {0.25f, 0.25f, 0.25f, 0.25f, 0.25f, 0.25f};
  left.baseline_std = {0.5f, 0.5f, 0.5f, 0.5f, 0.5f, 0.5f};
  analysis::PairCorrelations right;
  right.max_corr = {0.5f, 1.0f, 0.25f, 0.5f, 0.0f, 0.75f};
  right.max_sim = {0, 1, 0, 1, 0, 1};
  right.min_corr = {-0.5f, -1.0f, -0.25f, -0.5f, 0.0f, -0.75f};
  right.min_sim = {1, 0, 1, 0, 1, 0};
  right.baseline = {0.125f, 0.125f, 0.125f, 0.125f, 0.125f, 0.125f};
  right.baseline_std = {0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
  result.partners = {left, right};
  return result;
}

// `width` numbers for each of 6 neurons: neuron k's i-th is at(k, i).
template <typename Number, typename At>
std::vector<Number> Rows(int width, At at) {
  std::vector<Number> rows;
  for (int k = 0; k < 6; ++k) {
    for (int i = 0; i < width; ++i) rows.push_back(static_cast<Number>(at(k, i)));
  }
  return rows;
}

// Of a partner with `neurons` neurons, all of which are kept: neuron k is most like neuron k, then
// k + 1 and so on, around; no two numbers of a neuron are alike.
inline analysis::CorrelationDistribution HandMadeDistribution(int neurons) {
  analysis::CorrelationDistribution d;
  d.kept = neurons;
  d.top_corr = Rows<float>(neurons, [](int k, int i) { return 0.75 - k / 64. - i / 16.; });
  d.bottom_corr = Rows<float>(neurons, [](int k, int i) { return -0.75 - k / 64. + i / 16.; });
  d.top_sim = Rows<int32_t>(neurons, [&](int k, int i) { return (k + i) % neurons; });
  d.bottom_sim = Rows<int32_t>(neurons, [&](int k, int i) { return (k + neurons - i) % neurons; });
  d.histogram = Rows<uint32_t>(100, [](int k, int i) { return k * 1000 + i; });
  d.mean = Rows<float>(1, [](int k, int) { return k / 8.; });
  d.variance = Rows<float>(1, [](int k, int) { return 1 + k; });
  d.skew = Rows<float>(1, [](int k, int) { return -k / 4.; });
  d.kurtosis = Rows<float>(1, [](int k, int) { return 3 + k; });
  return d;
}

// Three positions are kept: 2 + k, 10 + k and 20 + k of neuron k.
inline analysis::NeuronStatistics HandMadeStatistics() {
  analysis::NeuronStatistics s;
  s.mean = Rows<float>(1, [](int k, int) { return k; });
  s.variance = Rows<float>(1, [](int k, int) { return k + 0.5; });
  s.skew = Rows<float>(1, [](int k, int) { return k + 0.25; });
  s.kurtosis = Rows<float>(1, [](int k, int) { return k + 0.125; });
  s.active_share = Rows<float>(1, [](int k, int) { return k / 8.; });
  s.minimum = Rows<float>(1, [](int k, int) { return -k; });
  s.maximum = Rows<float>(1, [](int k, int) { return 10 + k; });
  s.histogram = Rows<uint32_t>(80, [](int k, int i) { return k * 100 + i; });
  s.histogram_low = Rows<float>(1, [](int k, int) { return -10 - k; });
  s.histogram_width = Rows<float>(1, [](int k, int) { return 0.25 + k; });
  s.kept = 3;
  s.top_activation = Rows<float>(3, [](int k, int i) { return 10 + k - i; });
  s.top_position = Rows<int64_t>(3, [](int k, int i) { return k + (i == 0 ? 2 : i * 10); });
  return s;
}

// The same result with all that servers keep now.
inline analysis::CorrelationResult HandMadeDetailedResult() {
  analysis::CorrelationResult result = HandMadeResult();
  result.statistics = HandMadeStatistics();
  result.partners[0].distribution = HandMadeDistribution(8);
  result.partners[1].distribution = HandMadeDistribution(2);
  return result;
}

// What servers say of every pair now.
inline void HandMadeSummaries(v1::Correlation& manifest) {
  for (int i = 0; i < 2; ++i) {
    manifest.mutable_partners(i)->set_dead_neurons(1 + i);
    v1::PairSummary& summary = *manifest.add_pairs();
    summary.mutable_error()->set_pair_count(64 + i);
    summary.mutable_error()->set_max_abs(0.5 + i);
    summary.mutable_error()->set_mean_abs(0.25 + i);
    for (int k = 0; k < 4 / (i + 1); ++k) summary.add_layer_similarity(k / 8.f);
  }
}

inline absl::Status StoreHandMadeCorrelation(
    store::Store& store, const std::string& id,
    const analysis::CorrelationResult& result = HandMadeResult()) {
  return store.PutResult("correlations", id, HandMadeManifest(id).SerializeAsString(),
                         results::EncodeColumns(result));
}

}  // namespace homolog::testing

#endif  // HOMOLOG_TESTS_UNIT_SERVER_RESULTS_STORED_CORRELATION_H_
