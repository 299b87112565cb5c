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

inline absl::Status StoreHandMadeCorrelation(store::Store& store, const std::string& id) {
  return store.PutResult("correlations", id, HandMadeManifest(id).SerializeAsString(),
                         results::EncodeColumns(HandMadeResult()));
}

}  // namespace homolog::testing

#endif  // HOMOLOG_TESTS_UNIT_SERVER_RESULTS_STORED_CORRELATION_H_
