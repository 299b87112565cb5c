// Models and token streams whose every number a test decides.
#ifndef HOMOLOG_TESTS_UNIT_SERVER_ANALYSIS_FAKE_MODEL_H_
#define HOMOLOG_TESTS_UNIT_SERVER_ANALYSIS_FAKE_MODEL_H_

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <random>
#include <utility>
#include <vector>

#include "server/analysis/run_control.h"
#include "server/analysis/token_sequences.h"
#include "server/engine/model.h"

namespace homolog::analysis {

// What a neuron (flat index) does at a token id.
using ActivationOf = std::function<double(int64_t token, int64_t neuron)>;

// [rows, columns] float32 of a function.
inline at::Tensor Table(int64_t rows, int64_t columns, const ActivationOf& value) {
  at::Tensor table = at::empty({rows, columns}, at::kFloat);
  float* out = table.data_ptr<float>();
  for (int64_t i = 0; i < rows * columns; ++i) {
    out[i] = static_cast<float>(value(i / columns, i % columns));
  }
  return table;
}

// [rows, columns] float32 of normal numbers.
inline at::Tensor NormalTable(int64_t rows, int64_t columns, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  return Table(rows, columns, [&](int64_t, int64_t) { return normal(random); });
}

// A model without attention: the activations of a position are the row of its token id in a table,
// times the gain of its place in the sequence. Hidden = embedding[token] + mlp_post @ output, over
// all layers; Logits = hidden @ unembedding.
class FakeModel : public engine::Model {
 public:
  // Activations [vocabulary, neurons].
  FakeModel(const engine::ModelShape& shape, at::Tensor pre, at::Tensor post)
      : pre_(std::move(pre)), post_(std::move(post)), gain_(at::ones({shape.context_length})) {
    description_ = {"fake", "none", shape};
    embedding_ = NormalTable(shape.vocabulary_size, shape.d_model, 101);
    output_ = NormalTable(shape.neurons(), shape.d_model, 102) * 0.3;
    unembedding_ = NormalTable(shape.d_model, shape.vocabulary_size, 103);
  }
  // mlp_post as given; mlp_pre is something else.
  FakeModel(const engine::ModelShape& shape, const ActivationOf& post)
      : FakeModel(shape, NormalTable(shape.vocabulary_size, shape.neurons(), 104),
                  Table(shape.vocabulary_size, shape.neurons(), post)) {}

  const engine::ModelDescription& description() const override { return description_; }
  at::Device device() const override { return at::kCPU; }

  at::Tensor Hidden(const at::Tensor& tokens,
                    const engine::ForwardOptions& options) const override {
    return RunLayers(0, tokens, at::embedding(embedding_, tokens), options);
  }

  // The state's residual stream must begin with the token ids of the batch: see RunLayers.
  at::Tensor Resume(const engine::PassState& state,
                    const engine::ForwardOptions& options) const override {
    const engine::ModelShape& shape = description_.shape;
    const int64_t batch = state.mlp_post.size(0), positions = state.mlp_post.size(1);
    const at::Tensor stream = state.residual.view({batch, positions, shape.d_model + 1});
    const at::Tensor tokens = stream.select(2, shape.d_model).to(at::kLong);
    const at::Tensor hidden =
        stream.narrow(2, 0, shape.d_model) + Written(state.layer, state.mlp_post);
    return RunLayers(state.layer + 1, tokens, hidden, options);
  }

  at::Tensor Logits(const at::Tensor& hidden) const override {
    return at::matmul(hidden, unembedding_);
  }

  // What the oracles compute from: numbers, no tensor operations.
  double Activation(engine::Site site, int64_t token, int64_t position, int64_t neuron) const {
    const at::Tensor& table = site == engine::Site::kMlpPre ? pre_ : post_;
    return At(table, token, neuron) * gain_.data_ptr<float>()[position];
  }
  float Embedding(int64_t token, int64_t i) const { return At(embedding_, token, i); }
  float Output(int64_t neuron, int64_t i) const { return At(output_, neuron, i); }
  float Unembedding(int64_t i, int64_t token) const { return At(unembedding_, i, token); }

  void set_gain(int64_t position, float gain) { gain_.data_ptr<float>()[position] = gain; }
  void set_unembedding(const at::Tensor& unembedding) { unembedding_ = unembedding; }

 private:
  // The layers from `first` on. A state's residual stream has one column more than the model's: the
  // token ids, which Resume needs.
  at::Tensor RunLayers(int64_t first, const at::Tensor& tokens, at::Tensor hidden,
                       const engine::ForwardOptions& options) const {
    const engine::ModelShape& shape = description_.shape;
    for (int64_t layer = first; layer < shape.layers; ++layer) {
      auto activations = [&](const at::Tensor& table) {
        return at::embedding(table, tokens).narrow(2, layer * shape.d_mlp, shape.d_mlp) *
               gain_.narrow(0, 0, tokens.size(1)).unsqueeze(1);
      };
      auto read = [&](engine::Site site, const at::Tensor& values) {
        if (options.tap_site != site) return;
        if (options.tap) options.tap(layer, values);
        if (options.destination) {
          options.destination(layer).copy_(values.reshape({-1, shape.d_mlp}));
        }
      };
      read(engine::Site::kMlpPre, activations(pre_));
      at::Tensor post = activations(post_);
      if (options.edit) post = options.edit(layer, post);
      read(engine::Site::kMlpPost, post);
      if (layer == options.last_layer) return {};
      if (options.state_tap) {
        const at::Tensor ids = tokens.to(at::kFloat).unsqueeze(2);
        options.state_tap({layer, at::cat({hidden, ids}, 2).flatten(0, 1), post});
      }
      hidden = hidden + Written(layer, post);
    }
    return hidden;
  }

  at::Tensor Written(int64_t layer, const at::Tensor& post) const {
    const int64_t d_mlp = description_.shape.d_mlp;
    return at::matmul(post, output_.narrow(0, layer * d_mlp, d_mlp));
  }

  static float At(const at::Tensor& table, int64_t row, int64_t column) {
    return table.data_ptr<float>()[row * table.size(1) + column];
  }

  engine::ModelDescription description_;
  at::Tensor pre_, post_;  // [vocabulary, neurons]
  at::Tensor gain_;        // [position]
  at::Tensor embedding_, output_, unembedding_;
};

inline engine::ModelShape Shape(int64_t layers, int64_t d_mlp, int64_t vocabulary,
                                int64_t context = 64) {
  return {layers, 6, d_mlp, 1, vocabulary, context};
}

// A model some of whose neurons answer to the same hidden features of a token as the neurons of
// every other RandomModel do, more or less.
inline FakeModel RandomModel(const engine::ModelShape& shape, uint64_t seed) {
  constexpr int64_t kFeatures = 7;
  const at::Tensor features = NormalTable(shape.vocabulary_size, kFeatures, 1);
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> share(shape.neurons()), mean(shape.neurons());
  std::vector<int64_t> feature(shape.neurons());
  for (int64_t i = 0; i < shape.neurons(); ++i) {
    share[i] = std::uniform_real_distribution<double>(-1, 1)(random);
    mean[i] = normal(random);
    feature[i] = static_cast<int64_t>(random() % kFeatures);
  }
  const at::Tensor pre =
      Table(shape.vocabulary_size, shape.neurons(), [&](int64_t token, int64_t i) {
        const double shared = features.data_ptr<float>()[token * kFeatures + feature[i]];
        return mean[i] + share[i] * shared + (1 - std::abs(share[i])) * normal(random);
      });
  return FakeModel(shape, pre, at::maximum(pre, pre * 0.1));
}

class FakeTokens : public TokenSequences {
 public:
  FakeTokens(std::vector<int64_t> ids, int64_t sequence_length)
      : ids_(std::move(ids)), sequence_length_(sequence_length) {}

  int64_t sequence_count() const override {
    return static_cast<int64_t>(ids_.size()) / sequence_length_;
  }
  int64_t sequence_length() const override { return sequence_length_; }
  absl::StatusOr<at::Tensor> Read(int64_t first, int64_t count) const override {
    return at::tensor(std::vector<int64_t>(ids_.begin() + first * sequence_length_,
                                           ids_.begin() + (first + count) * sequence_length_),
                      at::kLong)
        .view({count, sequence_length_});
  }

  int64_t positions() const { return sequence_count() * sequence_length_; }
  int64_t id(int64_t position) const { return ids_[position]; }

 private:
  const std::vector<int64_t> ids_;
  const int64_t sequence_length_;
};

// Ids 0, 1, 2 ...: every position has a token id, and so table rows, of its own.
inline FakeTokens CountingTokens(int64_t positions, int64_t sequence_length) {
  std::vector<int64_t> ids(positions);
  for (int64_t i = 0; i < positions; ++i) ids[i] = i;
  return FakeTokens(std::move(ids), sequence_length);
}

inline FakeTokens RandomTokens(int64_t positions, int64_t sequence_length, int64_t vocabulary) {
  std::mt19937_64 random(7);
  std::vector<int64_t> ids(positions);
  for (int64_t& id : ids) id = static_cast<int64_t>(random() % vocabulary);
  return FakeTokens(std::move(ids), sequence_length);
}

// Remembers what it was told and cancels at check number `cancel_at` (from 1; 0: never).
class RecordingControl : public RunControl {
 public:
  explicit RecordingControl(int64_t cancel_at = 0) : cancel_at_(cancel_at) {}
  absl::Status Check() override {
    return ++checks == cancel_at_ ? absl::CancelledError("enough") : absl::OkStatus();
  }
  void OnStage(std::string_view stage) override { stages.emplace_back(stage); }
  void OnTotalTokens(int64_t tokens) override { total_tokens.push_back(tokens); }
  void OnTokens(int64_t more) override { tokens += more; }

  int64_t checks = 0, tokens = 0;
  std::vector<int64_t> total_tokens;
  std::vector<std::string> stages;

 private:
  const int64_t cancel_at_;
};

}  // namespace homolog::analysis

#endif  // HOMOLOG_TESTS_UNIT_SERVER_ANALYSIS_FAKE_MODEL_H_
