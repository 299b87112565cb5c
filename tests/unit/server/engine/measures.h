// What several tests of models measure.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_TESTS_UNIT_SERVER_ENGINE_MEASURES_H_
#define HOMOLOG_TESTS_UNIT_SERVER_ENGINE_MEASURES_H_

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "server/engine/model.h"

namespace homolog::engine {

inline double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  if (a.sizes() != b.sizes()) return INFINITY;
  return (a - b).abs().max().item<double>();
}

inline at::Tensor LogProbabilities(const Model& model, const at::Tensor& tokens,
                                   const ForwardOptions& options) {
  return at::log_softmax(model.Logits(model.Hidden(tokens, options)), -1);
}

// Next-token cross-entropy in nats, [batch, position - 1].
inline at::Tensor TokenLoss(const at::Tensor& log_probabilities, const at::Tensor& tokens) {
  const int64_t predicted = tokens.size(1) - 1;
  const at::Tensor next = tokens.narrow(1, 1, predicted).unsqueeze(-1);
  return -log_probabilities.narrow(1, 0, predicted).gather(-1, next).squeeze(-1);
}

// Sets the neurons [n, 2] of (layer, index) to 0.
inline Edit ZeroNeurons(const at::Tensor& neurons) {
  return [neurons](int64_t layer, const at::Tensor& post) {
    at::Tensor edited = post.clone();
    for (int64_t i = 0; i < neurons.size(0); ++i) {
      if (neurons[i][0].item<int64_t>() != layer) continue;
      edited.select(-1, neurons[i][1].item<int64_t>()).zero_();
    }
    return edited;
  };
}

}  // namespace homolog::engine

#endif  // HOMOLOG_TESTS_UNIT_SERVER_ENGINE_MEASURES_H_
