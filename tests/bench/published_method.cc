#include "tests/bench/published_method.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "common/error.h"
#include "server/analysis/rotation.h"

namespace homolog::bench {
namespace {

using Layers = std::vector<at::Tensor>;  // [position, neuron] per layer

class StreamingPearson {
 public:
  StreamingPearson(const engine::ModelShape& a, const engine::ModelShape& b)
      : a_sum_(at::zeros({a.layers, a.d_mlp}, at::kDouble)),
        a_squares_(at::zeros_like(a_sum_)),
        b_sum_(at::zeros({b.layers, b.d_mlp}, at::kDouble)),
        b_squares_(at::zeros_like(b_sum_)),
        products_(at::zeros({a.layers, a.d_mlp, b.layers, b.d_mlp}, at::kDouble)) {}

  void Add(const Layers& a, const Layers& b) {
    for (size_t i = 0; i < a.size(); ++i) {
      for (size_t k = 0; k < b.size(); ++k) {
        products_.select(0, i).select(1, k).add_(at::mm(a[i].t(), b[k]));
      }
    }
    AddSums(a, a_sum_, a_squares_);
    AddSums(b, b_sum_, b_squares_);
    count_ += static_cast<double>(a[0].size(0));
  }

  // The largest correlation of every neuron of the first model.
  std::vector<float> Maxima() const {
    const at::Tensor b_sum = b_sum_.flatten();
    const at::Tensor b_norm = Norm(b_sum_, b_squares_).flatten();
    std::vector<float> maxima;
    for (int64_t layer = 0; layer < a_sum_.size(0); ++layer) {
      const at::Tensor a_norm = Norm(a_sum_[layer], a_squares_[layer]);
      const at::Tensor numerator =
          products_[layer].flatten(1) - at::outer(a_sum_[layer], b_sum) / count_;
      const at::Tensor rho = numerator / at::outer(a_norm, b_norm);
      const at::Tensor largest = rho.amax(1).to(at::kFloat).contiguous();
      maxima.insert(maxima.end(), largest.data_ptr<float>(),
                    largest.data_ptr<float>() + largest.numel());
    }
    return maxima;
  }

 private:
  static void AddSums(const Layers& layers, at::Tensor& sum, at::Tensor& squares) {
    for (size_t i = 0; i < layers.size(); ++i) {
      sum[i].add_(layers[i].sum(0));
      squares[i].add_(layers[i].square().sum(0));
    }
  }

  at::Tensor Norm(const at::Tensor& sum, const at::Tensor& squares) const {
    return (squares - sum.square() / count_).sqrt();
  }

  double count_ = 0;
  at::Tensor a_sum_, a_squares_, b_sum_, b_squares_, products_;
};

Layers Activations(const engine::Model& model, const at::Tensor& tokens) {
  const engine::ModelShape& shape = model.description().shape;
  Layers layers;
  engine::ForwardOptions options;
  options.last_layer = shape.layers - 1;
  options.destination = [&](int64_t) {
    layers.push_back(at::empty({tokens.numel(), shape.d_mlp}));
    return layers.back();
  };
  model.Hidden(tokens, options);
  return layers;
}

Layers Rotations(const engine::ModelShape& shape, uint64_t seed) {
  Layers rotations;
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    const at::Tensor drawn = analysis::RandomMatrix(analysis::BaselineKind::kGaussian, shape.d_mlp,
                                                    seed, /*matrix=*/0, layer);
    rotations.push_back(drawn / drawn.norm(2, /*dim=*/1, /*keepdim=*/true));
  }
  return rotations;
}

Layers Rotate(const Layers& activations, const Layers& rotations) {
  Layers rotated;
  for (size_t i = 0; i < activations.size(); ++i) {
    rotated.push_back(at::mm(activations[i], rotations[i].t()));
  }
  return rotated;
}

// One run over the tokens; no rotations: the activations as they are.
absl::StatusOr<std::vector<float>> LargestCorrelations(const engine::Model& a,
                                                       const engine::Model& b,
                                                       const analysis::TokenSequences& tokens,
                                                       int64_t batch, const Layers& rotations) {
  StreamingPearson pearson(a.description().shape, b.description().shape);
  for (int64_t first = 0; first < tokens.sequence_count(); first += batch) {
    const int64_t count = std::min(batch, tokens.sequence_count() - first);
    HOMOLOG_ASSIGN_OR_RETURN(const at::Tensor block, tokens.Read(first, count));
    const Layers a_layers = Activations(a, block);
    Layers b_layers = Activations(b, block);
    if (!rotations.empty()) b_layers = Rotate(b_layers, rotations);
    pearson.Add(a_layers, b_layers);
  }
  return pearson.Maxima();
}

}  // namespace

absl::StatusOr<PublishedCorrelations> PublishedMethod(const engine::Model& reference,
                                                      const engine::Model& partner,
                                                      const analysis::TokenSequences& tokens,
                                                      const PublishedOptions& options) {
  PublishedCorrelations result;
  HOMOLOG_ASSIGN_OR_RETURN(result.max_corr,
                           LargestCorrelations(reference, partner, tokens, options.batch, {}));
  const Layers rotations = Rotations(partner.description().shape, options.seed);
  HOMOLOG_ASSIGN_OR_RETURN(
      result.baseline, LargestCorrelations(reference, partner, tokens, options.batch, rotations));
  return result;
}

}  // namespace homolog::bench
