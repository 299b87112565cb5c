#include "server/analysis/correlation_plan.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/analysis/baseline.h"
#include "server/analysis/correlation_pairs.h"
#include "server/analysis/correlation_rows.h"
#include "server/analysis/standardiser.h"

namespace homolog::analysis {
namespace {

constexpr int64_t kFloat = sizeof(float);

// Forward passes run at a lower rate than large products.
constexpr double kForwardShare = 0.6;

using Shapes = std::vector<engine::ModelShape>;

int64_t Bytes(const Shapes& shapes, const WithinTile& tile) {
  return shapes[tile.model].d_mlp * shapes[tile.model].d_mlp * kFloat;
}

int64_t Bytes(const Shapes& shapes, const CrossTile& tile) {
  return shapes[tile.row_model].d_mlp * tile.columns * kFloat;
}

int64_t ModelCount(const PlanRequest& request) {
  return static_cast<int64_t>(request.models.size());
}

std::vector<WithinTile> WithinTiles(const PlanRequest& request) {
  std::vector<WithinTile> tiles;
  for (const int64_t model : RunningModels(request.options, ModelCount(request))) {
    const int64_t layers = request.models[model].layers;
    for (int64_t layer = 0; layer < layers; ++layer) tiles.push_back({model, layer});
  }
  return tiles;
}

void AddCrossTiles(const Shapes& shapes, int64_t row_model, int64_t column_model,
                   const CorrelationOptions& options, std::vector<CrossTile>& tiles) {
  const bool same_index = options.pairing == Pairing::kSameIndex;
  const engine::ModelShape& columns = shapes[column_model];
  const int64_t whole_layers =
      same_index ? 1 : std::max<int64_t>(1, options.tile_columns / columns.d_mlp);
  for (int64_t layer = 0; layer < shapes[row_model].layers; ++layer) {
    for (int64_t first = 0; first < columns.layers; first += whole_layers) {
      if (same_index && first != layer) continue;
      const int64_t layers = std::min(whole_layers, columns.layers - first);
      tiles.push_back(
          {row_model, layer, column_model, first * columns.d_mlp, layers * columns.d_mlp});
    }
  }
}

std::vector<CrossTile> CrossTiles(const PlanRequest& request) {
  std::vector<CrossTile> tiles;
  for (const auto& [a, b] : MultipliedPairs(request.options, ModelCount(request))) {
    AddCrossTiles(request.models, a, b, request.options, tiles);
  }
  return tiles;
}

// The block of one model and its copy in another precision.
int64_t BlockBytes(const PlanRequest& request, int64_t model, int64_t positions) {
  const int64_t rows = positions + Standardiser::SpareRows(positions);
  const int64_t number = kFloat + (request.options.precision == Precision::kBfloat16 ? 2 : 0);
  return rows * request.models[model].neurons() * number;
}

int64_t ForwardBytes(const engine::ModelShape& shape, int64_t positions) {
  return positions * (8 * shape.d_model + 2 * shape.d_mlp) * kFloat;
}

// Beside the sums of these models: first their blocks and a forward pass, then, when the blocks are
// gone, what baselines take.
int64_t WorkBytes(const PlanRequest& request, const std::set<int64_t>& models, int64_t positions) {
  int64_t blocks = 0, forward = 0, baselines = 0;
  for (const int64_t model : models) {
    const engine::ModelShape& shape = request.models[model];
    blocks += BlockBytes(request, model, positions);
    forward = std::max(forward, ForwardBytes(shape, positions));
    baselines = std::max(baselines, BaselineScratchBytes(shape.d_mlp, request.options));
  }
  return std::max(blocks + forward, baselines);
}

// Rows of the result of one reference with one partner.
int64_t PairRowBytes(const PlanRequest& request, int64_t reference) {
  const int64_t neurons = request.models[reference].neurons();
  const bool best = request.options.pairing == Pairing::kBest;
  return BaselineAccumulator::Bytes(neurons, request.options) +
         (best ? CorrelationRows::Bytes(neurons) : 0);
}

// Rows of results of all references.
int64_t RowBytes(const PlanRequest& request) {
  int64_t bytes = 0;
  for (const auto& [a, b] : MultipliedPairs(request.options, ModelCount(request))) {
    bytes += PairRowBytes(request, a);
    if (IsReference(request.options, b)) bytes += PairRowBytes(request, b);
  }
  return bytes;
}

// What is kept from pass to pass: rows, and what rotations need.
int64_t KeptBytes(const PlanRequest& request) {
  int64_t bytes = RowBytes(request);
  for (const int64_t model : RunningModels(request.options, ModelCount(request))) {
    bytes += RotatedDeviations::Bytes(request.models[model], request.options);
  }
  return bytes;
}

// Fills passes tile by tile, beginning another where the next tile would exceed the budget.
class Packer {
 public:
  Packer(const PlanRequest& request, int64_t positions)
      : request_(request),
        positions_(positions),
        kept_(KeptBytes(request)),
        finish_(kept_ + RowBytes(request)) {}

  // Whether the tile fits a pass at all.
  template <typename Tile>
  bool Add(const Tile& tile, std::initializer_list<int64_t> models) {
    std::set<int64_t> with = models_;
    with.insert(models);
    const int64_t tile_bytes = Bytes(request_.models, tile);
    int64_t bytes = Fixed(with) + tiles_ + tile_bytes;
    if (bytes > request_.options.memory_bytes && !models_.empty()) {
      Close();
      with = models;
      bytes = Fixed(with) + tile_bytes;
    }
    least_ = std::max(least_, Fixed(std::set<int64_t>(models)) + tile_bytes);
    models_ = std::move(with);
    tiles_ += tile_bytes;
    peak_ = std::max(peak_, bytes);
    Append(tile);
    return bytes <= request_.options.memory_bytes;
  }

  std::vector<PlannedPass> Finish() {
    if (!models_.empty()) Close();
    return std::move(passes_);
  }
  int64_t peak() const { return peak_; }
  int64_t least() const { return least_; }  // of the largest single tile

 private:
  int64_t Fixed(const std::set<int64_t>& models) const {
    int64_t bytes = kept_ + WorkBytes(request_, models, positions_);
    for (const int64_t model : models) {
      bytes += Standardiser::Bytes(request_.models[model], /*statistics=*/true);
    }
    return std::max(bytes, finish_);
  }
  void Append(const WithinTile& tile) { pass_.within.push_back(tile); }
  void Append(const CrossTile& tile) { pass_.cross.push_back(tile); }
  void Close() {
    pass_.models.assign(models_.begin(), models_.end());
    passes_.push_back(std::move(pass_));
    pass_ = {};
    models_.clear();
    tiles_ = 0;
  }

  const PlanRequest& request_;
  // At the end rows are there twice, while they become results.
  const int64_t positions_, kept_, finish_;
  std::vector<PlannedPass> passes_;
  PlannedPass pass_;
  std::set<int64_t> models_;
  int64_t tiles_ = 0, peak_ = 0, least_ = 0;
};

void AddCosts(const PlanRequest& request, CorrelationPlan& plan) {
  const double positions =
      static_cast<double>(request.sequence_count) * static_cast<double>(request.sequence_length);
  for (const PlannedPass& pass : plan.passes) {
    for (const WithinTile& tile : pass.within) {
      const auto d_mlp = static_cast<double>(request.models[tile.model].d_mlp);
      plan.multiplications +=
          d_mlp * d_mlp * positions / 2 +
          RotatedDeviations::Multiplications(request.models[tile.model].d_mlp, request.options);
    }
    for (const CrossTile& tile : pass.cross) {
      const int64_t rows = request.models[tile.row_model].d_mlp;
      const int64_t column_d_mlp = request.models[tile.column_model].d_mlp;
      plan.multiplications +=
          static_cast<double>(rows) * static_cast<double>(tile.columns) * positions +
          BaselineMultiplications(rows, tile.columns, column_d_mlp, request.options) +
          (request.options.every_reference
               ? BaselineMultiplications(tile.columns, rows, rows, request.options)
               : 0);
    }
    for (const int64_t model : pass.models) {
      plan.forward_multiplications +=
          positions * ForwardMultiplications(request.models[model], request.sequence_length);
    }
  }
}

}  // namespace

double ForwardMultiplications(const engine::ModelShape& shape, int64_t sequence_length) {
  const auto d_model = static_cast<double>(shape.d_model);
  const double layer = 4 * d_model * d_model + 2 * d_model * static_cast<double>(shape.d_mlp) +
                       d_model * static_cast<double>(sequence_length);
  return layer * static_cast<double>(shape.layers);
}

absl::StatusOr<CorrelationPlan> PlanCorrelation(const PlanRequest& request) {
  const int64_t length = request.sequence_length;
  int64_t sequences = std::clamp<int64_t>(request.most_block_positions / length, 1,
                                          std::max<int64_t>(1, request.sequence_count));
  while (true) {
    Packer packer(request, sequences * length);
    bool fits = true;
    for (const WithinTile& tile : WithinTiles(request)) {
      fits = packer.Add(tile, {tile.model}) && fits;
    }
    for (const CrossTile& tile : CrossTiles(request)) {
      fits = packer.Add(tile, {tile.row_model, tile.column_model}) && fits;
    }
    if (fits) {
      CorrelationPlan plan;
      plan.block_positions = sequences * length;
      plan.passes = packer.Finish();
      plan.memory_bytes = packer.peak();
      plan.memory_budget_bytes = request.options.memory_bytes;
      AddCosts(request, plan);
      return plan;
    }
    if (sequences == 1) {
      return ResourceExhausted(
          "MEMORY_BUDGET",
          absl::StrCat("even one product at a time over blocks of one sequence of ", length,
                       " tokens needs ", packer.least(),
                       " bytes of device memory beside the weights; the budget leaves ",
                       request.options.memory_bytes,
                       ": start the server with a larger --memory-budget, or create a data set "
                       "with shorter sequences"),
          {{"needed_bytes", absl::StrCat(packer.least())},
           {"budget_bytes", absl::StrCat(request.options.memory_bytes)}});
    }
    sequences /= 2;
  }
}

double EstimatedSeconds(const CorrelationPlan& plan) {
  return (plan.multiplications + plan.forward_multiplications / kForwardShare) /
         plan.multiplications_per_second;
}

}  // namespace homolog::analysis
