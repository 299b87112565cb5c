#include "server/analysis/correlation_reduction.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <tuple>

#include "common/error.h"
#include "server/analysis/layer_similarity.h"
#include "server/analysis/neighbour_mixture.h"
#include "server/analysis/rotation.h"
#include "server/analysis/to_vector.h"

namespace homolog::analysis {
namespace {

// A symmetric matrix of its part on and above the diagonal.
at::Tensor Mirrored(const at::Tensor& upper) { return at::triu(upper) + at::triu(upper, 1).t(); }

void TransferStatistics(StateArchive& archive, NeuronStatistics& statistics) {
  for (std::vector<float>* part :
       {&statistics.mean, &statistics.variance, &statistics.skew, &statistics.kurtosis,
        &statistics.active_share, &statistics.minimum, &statistics.maximum,
        &statistics.histogram_low, &statistics.histogram_width, &statistics.top_activation}) {
    archive.Part(*part);
  }
  archive.Part(statistics.histogram);
  archive.Part(statistics.kept);
  archive.Part(statistics.top_position);
}

}  // namespace

CorrelationReduction::CorrelationReduction(std::vector<engine::ModelShape> shapes,
                                           const CorrelationOptions& options, at::Device device)
    : shapes_(std::move(shapes)), options_(options), device_(device) {
  for (const int64_t model : RunningModels(options, ModelCount())) {
    const engine::ModelShape& shape = shapes_[model];
    const auto added = models_.emplace(model, RotatedDeviations(shape, options, device)).first;
    added->second.squared_norms.resize(static_cast<size_t>(shape.layers));
  }
  for (const ModelPair& pair : MultipliedPairs(options, ModelCount())) {
    const auto [first, second] = pair;
    AddDirection(first, second);
    if (IsReference(second)) AddDirection(second, first);
    pairs_[pair].squared_norms.resize(
        static_cast<size_t>(shapes_[first].layers * shapes_[second].layers));
  }
}

void CorrelationReduction::AddDirection(int64_t reference, int64_t partner) {
  const int64_t neurons = shapes_[reference].neurons();
  Direction direction = {
      CorrelationRows(same_index() ? 0 : neurons, shapes_[partner].neurons(), options_.portable),
      BaselineAccumulator(neurons, options_, device_),
      {}};
  if (same_index()) {
    direction.result.max_corr.resize(neurons);
    direction.result.min_corr.resize(neurons);
    direction.result.max_sim.resize(neurons);
    direction.result.min_sim.resize(neurons);
  }
  directions_.emplace(ModelPair(reference, partner), std::move(direction));
}

std::set<int64_t> CorrelationReduction::LacksStatistics() const {
  std::set<int64_t> lacking;
  for (const auto& [index, model] : models_) {
    if (IsReference(index) && !model.has_statistics) lacking.insert(index);
  }
  return lacking;
}

absl::Status CorrelationReduction::Add(const CorrelationPass& pass, RunControl& control) {
  AddModels(pass);
  for (const WithinSums& sums : pass.within()) {
    HOMOLOG_RETURN_IF_ERROR(control.Check());
    HOMOLOG_RETURN_IF_ERROR(AddWithin(sums, pass.standardiser(sums.tile.model), control));
  }
  for (const CrossSums& sums : pass.cross()) {
    HOMOLOG_RETURN_IF_ERROR(control.Check());
    AddCross(sums, pass);
  }
  return AddBaselines(pass, control);
}

void CorrelationReduction::AddModels(const CorrelationPass& pass) {
  for (const int64_t index : pass.models()) {
    Model& model = models_.at(index);
    const Standardiser& standardiser = pass.standardiser(index);
    model.count = standardiser.count();
    model.inverse_deviation = standardiser.InverseDeviation();
    model.dead = standardiser.Dead();
    if (!IsReference(index) || model.has_statistics) continue;
    model.statistics = standardiser.Statistics();
    model.has_statistics = true;
  }
}

absl::Status CorrelationReduction::AddWithin(const WithinSums& sums,
                                             const Standardiser& standardiser,
                                             RunControl& control) {
  Model& model = models_.at(sums.tile.model);
  const int64_t layer = sums.tile.layer;
  const at::Tensor scale = standardiser.RelativeScale(layer);
  const at::Tensor covariance = Mirrored(sums.products)
                                    .div_(static_cast<double>(standardiser.count()))
                                    .mul_(scale.unsqueeze(1))
                                    .mul_(scale.unsqueeze(0));
  model.squared_norms[layer] = covariance.to(at::kDouble).square_().sum().item<double>();
  // Nobody asks for the rotations of a reference that is no partner.
  const bool partner = sums.tile.model != 0 || options_.every_reference;
  return partner ? model.rotated.SetLayer(layer, covariance, control) : absl::OkStatus();
}

void CorrelationReduction::AddCross(const CrossSums& sums, const CorrelationPass& pass) {
  const CrossTile& tile = sums.tile;
  const int64_t d_mlp = shapes_[tile.row_model].d_mlp, first = tile.row_layer * d_mlp;
  const Model& row_model = models_.at(tile.row_model);
  const at::Tensor rows =
      row_model.inverse_deviation.narrow(0, first, d_mlp) / static_cast<double>(row_model.count);
  sums.sample.Compare(
      sums.products, rows,
      models_.at(tile.column_model).inverse_deviation.narrow(0, tile.column, tile.columns),
      pairs_.at(std::minmax(tile.row_model, tile.column_model)).error);
  AddRows(tile.row_model, tile.column_model, first, tile.column, sums.products);
  AddRows(tile.column_model, tile.row_model, tile.column, first, sums.products.t());
  if (!same_index()) AddNorms(sums, pass);
}

void CorrelationReduction::AddRows(int64_t reference, int64_t partner, int64_t first_row,
                                   int64_t first_column, const at::Tensor& products) {
  const auto found = directions_.find({reference, partner});
  if (found == directions_.end()) return;
  const Model& row_model = models_.at(reference);
  const at::Tensor row_factor = row_model.inverse_deviation.narrow(0, first_row, products.size(0)) /
                                static_cast<double>(row_model.count);
  const at::Tensor column_factor =
      models_.at(partner).inverse_deviation.narrow(0, first_column, products.size(1));
  if (same_index()) {
    SetSameIndexRows(products, first_row, row_factor, column_factor, found->second.result);
  } else {
    found->second.rows.Add(products, first_row, first_column, row_factor, column_factor);
  }
}

void CorrelationReduction::AddNorms(const CrossSums& sums, const CorrelationPass& pass) {
  const CrossTile& tile = sums.tile;
  Pair& pair = pairs_.at({tile.row_model, tile.column_model});
  const int64_t d_mlp = shapes_[tile.column_model].d_mlp, first_layer = tile.column / d_mlp;
  const at::Tensor row_scale = pass.standardiser(tile.row_model).RelativeScale(tile.row_layer) /
                               static_cast<double>(models_.at(tile.row_model).count);
  for (int64_t i = 0; i < tile.columns / d_mlp; ++i) {
    pair.squared_norms[tile.row_layer * shapes_[tile.column_model].layers + first_layer + i] =
        SquaredNorm(sums.products.narrow(1, i * d_mlp, d_mlp), row_scale,
                    pass.standardiser(tile.column_model).RelativeScale(first_layer + i));
  }
}

// Matrix by matrix, each drawn once for all models whose layers it fits.
absl::Status CorrelationReduction::AddBaselines(const CorrelationPass& pass, RunControl& control) {
  // By size and layer: the partners, and the tiles that have the partner's layer on one side.
  struct Use {
    int64_t partner;
    const CrossSums* sums;
  };
  std::map<std::pair<int64_t, int64_t>, std::vector<Use>> uses;
  for (const CrossSums& sums : pass.cross()) {
    const CrossTile& tile = sums.tile;
    const int64_t d_mlp = shapes_[tile.column_model].d_mlp;
    for (int64_t i = 0; i < tile.columns / d_mlp; ++i) {
      uses[{d_mlp, tile.column / d_mlp + i}].push_back({tile.column_model, &sums});
    }
    if (!IsReference(tile.column_model)) continue;
    uses[{shapes_[tile.row_model].d_mlp, tile.row_layer}].push_back({tile.row_model, &sums});
  }
  for (auto& [place, of_place] : uses) {
    const auto [size, layer] = place;
    std::stable_sort(of_place.begin(), of_place.end(),
                     [](const Use& a, const Use& b) { return a.partner < b.partner; });
    const NeighbourMixture mixture(size, device_);
    for (int64_t matrix = 0; matrix < MatrixCount(options_); ++matrix) {
      const at::Tensor drawn =
          RandomMatrix(options_.baseline, size, options_.seed, matrix, layer).to(device_);
      at::Tensor map;
      int64_t map_of = -1;
      for (const Use& use : of_place) {
        HOMOLOG_RETURN_IF_ERROR(control.Check());
        if (use.partner != map_of) {
          map = drawn * pass.standardiser(use.partner).RelativeScale(layer);
          map_of = use.partner;
        }
        AddBaseline(*use.sums, use.partner, layer, matrix, map, mixture);
      }
    }
  }
  return absl::OkStatus();
}

// The tile's other model is the reference.
void CorrelationReduction::AddBaseline(const CrossSums& sums, int64_t partner, int64_t layer,
                                       int64_t matrix, const at::Tensor& map,
                                       const NeighbourMixture& mixture) {
  const CrossTile& tile = sums.tile;
  const at::Tensor inverse = models_.at(partner).rotated.Inverse(matrix, layer);
  if (partner == tile.column_model) {
    const int64_t d_mlp = shapes_[partner].d_mlp;
    directions_.at({tile.row_model, partner})
        .baseline.Add(matrix, tile.row_layer * shapes_[tile.row_model].d_mlp,
                      sums.products.narrow(1, layer * d_mlp - tile.column, d_mlp), map, inverse,
                      mixture);
  } else {
    directions_.at({tile.column_model, partner})
        .baseline.Add(matrix, tile.column, sums.products.t(), map, inverse, mixture);
  }
}

void CorrelationReduction::Transfer(StateArchive& archive) {
  for (auto& [index, model] : models_) {
    model.rotated.Transfer(archive);
    archive.Part(model.squared_norms);
    archive.Part(model.count);
    archive.Part(model.inverse_deviation, device_);
    archive.Part(model.dead, device_);
    archive.Part(model.has_statistics);
    TransferStatistics(archive, model.statistics);
  }
  for (auto& [direction, of_direction] : directions_) {
    of_direction.rows.Transfer(archive);
    of_direction.baseline.Transfer(archive);
    // Filled between passes only by same_index pairing.
    archive.Part(of_direction.result.max_corr);
    archive.Part(of_direction.result.max_sim);
    archive.Part(of_direction.result.min_corr);
    archive.Part(of_direction.result.min_sim);
  }
  for (auto& [models, pair] : pairs_) {
    archive.Part(pair.squared_norms);
    archive.Part(pair.error);
  }
}

std::vector<CorrelationResult> CorrelationReduction::Finish() {
  std::vector<CorrelationResult> results;
  for (int64_t model = 0; model < ModelCount(); ++model) {
    if (IsReference(model)) results.push_back(FinishReference(model));
  }
  return results;
}

CorrelationResult CorrelationReduction::FinishReference(int64_t reference) {
  CorrelationResult result;
  if (const auto found = models_.find(reference); found != models_.end()) {
    Model& model = found->second;
    result.counted_positions = model.count;
    result.dead = ToVector<uint8_t>(model.dead);
    result.statistics = std::move(model.statistics);
  }
  for (int64_t partner = 0; partner < ModelCount(); ++partner) {
    if (partner != reference) result.partners.push_back(FinishPair(reference, partner));
  }
  return result;
}

PairCorrelations CorrelationReduction::FinishPair(int64_t reference, int64_t partner) {
  auto found = directions_.extract({reference, partner});
  if (found.empty()) return {};  // known
  Direction direction = std::move(found.mapped());
  PairCorrelations result = std::move(direction.result);
  if (!same_index()) {
    direction.rows.Finish(result);
    result.layer_similarity = LayerSimilarity(reference, partner);
  }
  const Model& model = models_.at(reference);
  direction.baseline.Finish(model.inverse_deviation, model.count, result);
  result.partner_dead = models_.at(partner).dead.sum().item<int64_t>();
  result.error = pairs_.at(std::minmax(reference, partner)).error;
  return result;
}

std::vector<float> CorrelationReduction::LayerSimilarity(int64_t reference, int64_t partner) const {
  const bool in_order = reference < partner;
  const Pair& pair = pairs_.at(std::minmax(reference, partner));
  const int64_t rows = shapes_[reference].layers, columns = shapes_[partner].layers;
  std::vector<float> similarity;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column) {
      const int64_t place = in_order ? row * columns + column : column * rows + row;
      similarity.push_back(LinearCka(pair.squared_norms[place],
                                     models_.at(reference).squared_norms[row],
                                     models_.at(partner).squared_norms[column]));
    }
  }
  return similarity;
}

}  // namespace homolog::analysis
