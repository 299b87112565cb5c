#include "server/analysis/pair_reduction.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "common/error.h"

namespace homolog::analysis {
namespace {

constexpr int64_t kTileRows = 1024;

// Consecutive neurons of one layer of the reference.
struct Tile {
  int64_t layer, first, rows;  // first: flat index
};

// Tiles never cross a layer, so that same_index pairing sees one layer at a time.
std::vector<Tile> Tiles(const engine::ModelShape& shape) {
  std::vector<Tile> tiles;
  for (int64_t layer = 0; layer < shape.layers; ++layer) {
    for (int64_t row = 0; row < shape.d_mlp; row += kTileRows) {
      tiles.push_back({layer, layer * shape.d_mlp + row, std::min(kTileRows, shape.d_mlp - row)});
    }
  }
  return tiles;
}

// 1 / standard deviation, 0 where the variance is 0: such a neuron's correlations are 0.
at::Tensor InverseDeviation(const at::Tensor& variance) {
  return at::where(variance > 0, variance.rsqrt(), at::zeros_like(variance)).to(at::kFloat);
}

template <typename T>
std::vector<T> ToVector(const at::Tensor& tensor) {
  const at::Tensor cpu = tensor.to(at::kCPU, c10::CppTypeToScalarType<T>::value).contiguous();
  return std::vector<T>(cpu.data_ptr<T>(), cpu.data_ptr<T>() + cpu.numel());
}

// The rotations of one partner: for every rotation and layer the matrix that maps covariances with
// the layer's y to correlations with its rotated neurons, up to the reference's deviation.
class RotatedLayers {
 public:
  RotatedLayers(const ModelMoments& partner, const CorrelationOptions& options)
      : partner_(partner), options_(options) {}

  // [rotated neuron, neuron]: row r of R D / sd((R x)_r), D the scales of y, dead columns 0. x is
  // in units of the layer's largest scale, which cancels.
  at::Tensor Map(int64_t rotation, int64_t layer) const {
    const at::Tensor covariance = partner_.LayerCovariance(layer);
    const at::Tensor matrix =
        RandomRotation(options_.baseline, partner_.shape().d_mlp, options_.seed, rotation, layer)
            .to(covariance.device());
    // var(R x) = diag(R cov(x, x) R^T)
    const at::Tensor variance = at::mm(matrix, covariance).mul_(matrix).sum(1);
    return matrix * partner_.RelativeScale(layer).unsqueeze(0) *
           InverseDeviation(variance).unsqueeze(1);
  }

 private:
  const ModelMoments& partner_;
  const CorrelationOptions& options_;
};

class PairReducer {
 public:
  PairReducer(const ModelMoments& reference, const ModelMoments& partner, const CrossMoments& cross,
              const CorrelationOptions& options)
      : reference_(reference),
        partner_(partner),
        cross_(cross),
        options_(options),
        inverse_deviation_(InverseDeviation(reference.Variance())),
        partner_inverse_deviation_(InverseDeviation(partner.Variance())),
        rotated_(partner, options) {}

  absl::StatusOr<PairCorrelations> Reduce(RunControl& control) {
    std::vector<at::Tensor> max, max_sim, min, min_sim;
    for (const Tile& tile : Tiles(reference_.shape())) {
      HOMOLOG_RETURN_IF_ERROR(control.Check());
      const auto [largest, largest_at, smallest, smallest_at] = Extremes(tile);
      max.push_back(largest);
      max_sim.push_back(largest_at);
      min.push_back(smallest);
      min_sim.push_back(smallest_at);
    }
    PairCorrelations result;
    result.max_corr = ToVector<float>(at::cat(max));
    result.max_sim = ToVector<int32_t>(at::cat(max_sim));
    result.min_corr = ToVector<float>(at::cat(min));
    result.min_sim = ToVector<int32_t>(at::cat(min_sim));
    result.partner_dead = partner_.Dead().sum().item<int64_t>();
    HOMOLOG_RETURN_IF_ERROR(ReduceBaseline(control, result));
    return result;
  }

 private:
  bool same_index() const { return options_.pairing == Pairing::kSameIndex; }

  // Covariance of the tile's y with the y of partner neurons [column, column + columns), over the
  // tile's deviations.
  at::Tensor TileCovariance(const Tile& tile, int64_t column, int64_t columns) const {
    return cross_.Covariance(reference_.count(), tile.first, tile.rows, column, columns)
        .mul_(inverse_deviation_.narrow(0, tile.first, tile.rows).unsqueeze(1));
  }

  std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor> Extremes(const Tile& tile) const {
    if (same_index()) {
      const at::Tensor rho = (TileCovariance(tile, tile.first, tile.rows).diagonal() *
                              partner_inverse_deviation_.narrow(0, tile.first, tile.rows))
                                 .clamp(-1, 1);
      const at::Tensor itself = at::arange(tile.first, tile.first + tile.rows, rho.device());
      return {rho, itself, rho, itself};
    }
    const at::Tensor rho = TileCovariance(tile, 0, partner_.shape().neurons())
                               .mul_(partner_inverse_deviation_.unsqueeze(0))
                               .clamp_(-1, 1);
    // libtorch returns the first of equal extremes: the lowest (layer, index).
    const auto [largest, largest_at] = rho.max(1);
    const auto [smallest, smallest_at] = rho.min(1);
    return {largest, largest_at, smallest, smallest_at};
  }

  // The baseline of one rotation: float64 [reference neurons].
  absl::StatusOr<at::Tensor> Baseline(int64_t rotation, RunControl& control) const {
    const int64_t d_mlp = partner_.shape().d_mlp;
    at::Tensor baseline = at::full({reference_.shape().neurons()}, same_index() ? 0.0 : -1.0,
                                   inverse_deviation_.options());
    for (int64_t layer = 0; layer < partner_.shape().layers; ++layer) {
      const at::Tensor map = rotated_.Map(rotation, layer);
      for (const Tile& tile : Tiles(reference_.shape())) {
        if (same_index() && tile.layer != layer) continue;
        HOMOLOG_RETURN_IF_ERROR(control.Check());
        const at::Tensor covariance = TileCovariance(tile, layer * d_mlp, d_mlp);
        at::Tensor out = baseline.narrow(0, tile.first, tile.rows);
        if (same_index()) {
          out.copy_((covariance * map.narrow(0, tile.first - layer * d_mlp, tile.rows)).sum(1));
        } else {
          out.copy_(at::maximum(out, std::get<0>(at::mm(covariance, map.t()).max(1))));
        }
      }
    }
    return baseline.clamp_(-1, 1).to(at::kDouble);
  }

  absl::Status ReduceBaseline(RunControl& control, PairCorrelations& result) const {
    // Welford's update keeps the deviation's digits.
    at::Tensor mean, squares;
    for (int64_t rotation = 0; rotation < options_.rotations; ++rotation) {
      HOMOLOG_ASSIGN_OR_RETURN(const at::Tensor baseline, Baseline(rotation, control));
      if (rotation == 0) {
        mean = baseline;
        squares = at::zeros_like(baseline);
        continue;
      }
      const at::Tensor difference = baseline - mean;
      mean = mean + difference / static_cast<double>(rotation + 1);
      squares = squares + difference * (baseline - mean);
    }
    const double degrees = static_cast<double>(std::max<int64_t>(1, options_.rotations - 1));
    result.baseline = ToVector<float>(mean);
    result.baseline_std = ToVector<float>((squares / degrees).sqrt());
    return absl::OkStatus();
  }

  const ModelMoments& reference_;
  const ModelMoments& partner_;
  const CrossMoments& cross_;
  const CorrelationOptions& options_;
  const at::Tensor inverse_deviation_, partner_inverse_deviation_;
  const RotatedLayers rotated_;
};

}  // namespace

absl::StatusOr<PairCorrelations> ReducePair(const ModelMoments& reference,
                                            const ModelMoments& partner, const CrossMoments& cross,
                                            const CorrelationOptions& options,
                                            RunControl& control) {
  return PairReducer(reference, partner, cross, options).Reduce(control);
}

}  // namespace homolog::analysis
