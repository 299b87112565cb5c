#include "server/analysis/correlation_pass.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/analysis/clock.h"
#include "server/analysis/joint_products.h"

namespace homolog::analysis {
namespace {

// Neurons of either side of a tile whose correlations are also taken in float64, each with each.
constexpr int64_t kSampledNeurons = 8;

// Narrower layers are not joined: products of few columns and positions go another way through BLAS
// than those of many, and round differently.
constexpr int64_t kJoinedNeurons = 256;

// On the device without waiting for it, where that is another one.
at::Tensor ToDevice(const at::Tensor& cpu, at::Device device) {
  return device.is_cuda() ? cpu.pin_memory().to(device, /*non_blocking=*/true) : cpu.to(device);
}

}  // namespace

// Some sequences, and which of their positions count.
struct CorrelationPass::Block {
  at::Tensor tokens;            // [sequence, position] int64 on the CPU
  at::Tensor kept;              // flat indices of the counted positions; undefined: all
  int64_t first = 0;            // position in the token stream
  int64_t positions = 0;        // counted
  at::Tensor stream_positions;  // [position]; undefined: from `first` on
};

CorrelationPass::CorrelationPass(const std::vector<const engine::Model*>& models,
                                 const CorrelationPlan& plan, const PlannedPass& planned,
                                 const CorrelationOptions& options,
                                 const std::set<int64_t>& statistics_of)
    : plan_(plan), options_(options), device_(models[0]->device()), multiplier_(options.precision) {
  for (const int64_t model : planned.models) {
    sides_[model] = std::make_unique<Side>(*models[model], options, statistics_of.count(model) > 0);
  }
  for (const WithinTile& tile : planned.within) {
    const int64_t d_mlp = standardiser(tile.model).shape().d_mlp;
    within_.push_back({tile, Zeros(d_mlp, d_mlp)});
  }
  for (const CrossTile& tile : planned.cross) {
    const int64_t d_mlp = standardiser(tile.row_model).shape().d_mlp;
    cross_.push_back({tile, {}, ErrorSample(tile, d_mlp, kSampledNeurons, options, device_)});
  }
  Join();
}

at::Tensor CorrelationPass::Zeros(int64_t rows, int64_t columns) const {
  return at::zeros({rows, columns}, at::TensorOptions().dtype(at::kFloat).device(device_));
}

// cuBLAS and oneDNN choose by the shape how they add up.
bool CorrelationPass::MayJoin(const CrossTile& a, const CrossTile& b) const {
  return device_.is_cpu() && options_.precision == Precision::kFloat32 &&
         a.row_model == b.row_model && a.column_model == b.column_model && a.column == b.column &&
         a.columns == b.columns && a.row_layer + 1 == b.row_layer &&
         standardiser(a.row_model).shape().d_mlp >= kJoinedNeurons;
}

void CorrelationPass::Join() {
  std::vector<std::vector<CrossSums*>> groups;
  for (CrossSums& sums : cross_) {
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& tiles) {
      return MayJoin(tiles.back()->tile, sums.tile);
    });
    (group == groups.end() ? groups.emplace_back() : *group).push_back(&sums);
  }
  for (const std::vector<CrossSums*>& group : groups) {
    const CrossTile& first = group[0]->tile;
    const auto layers = static_cast<int64_t>(group.size());
    const int64_t d_mlp = standardiser(first.row_model).shape().d_mlp;
    const at::Tensor products = Zeros(layers * d_mlp, first.columns);
    for (int64_t i = 0; i < layers; ++i) group[i]->products = products.narrow(0, i * d_mlp, d_mlp);
    // A pass must give the same bits whichever tiles it has.
    if (layers > 1 && JointProductsAreExact(products, layers)) {
      joint_.push_back({first, layers, products});
    } else {
      for (const CrossSums* tile : group) joint_.push_back({tile->tile, 1, tile->products});
    }
  }
}

std::vector<int64_t> CorrelationPass::models() const {
  std::vector<int64_t> models;
  for (const auto& [model, side] : sides_) models.push_back(model);
  return models;
}

std::string CorrelationPass::ModelName(int64_t model) const {
  if (model < static_cast<int64_t>(options_.model_names.size())) return options_.model_names[model];
  return model == 0 ? "the reference" : absl::StrCat("partner ", model);
}

absl::Status CorrelationPass::Run(const TokenSequences& tokens, RunControl& control,
                                  CorrelationCost& cost, absl::FunctionRef<void()> on_block) {
  const int64_t length = tokens.sequence_length(), batch = plan_.block_positions / length;
  while (next_sequence_ < tokens.sequence_count()) {
    const int64_t first = next_sequence_;
    const int64_t count = std::min(batch, tokens.sequence_count() - first);
    Block block;
    HOMOLOG_ASSIGN_OR_RETURN(block.tokens, tokens.Read(first, count));
    block.kept = KeptPositions(block.tokens, options_.excluded_token_ids);
    block.first = first * length;
    block.positions = block.kept.defined() ? block.kept.numel() : block.tokens.numel();
    if (block.kept.defined()) block.stream_positions = block.kept + block.first;
    HOMOLOG_RETURN_IF_ERROR(AddBlock(block, control, cost));
    next_sequence_ += count;
    on_block();
  }
  for (auto& [model, side] : sides_) side->Release();
  return absl::OkStatus();
}

absl::Status CorrelationPass::AddBlock(const Block& block, RunControl& control,
                                       CorrelationCost& cost) {
  const int64_t spare = Standardiser::SpareRows(block.positions);
  for (auto& [model, side] : sides_) {
    HOMOLOG_RETURN_IF_ERROR(control.Check());
    const double start = Now();
    side->wide = side->reader.Read(
        ToDevice(block.tokens, device_),
        block.kept.defined() ? ToDevice(block.kept, device_) : at::Tensor(), spare);
    cost.tokens += block.tokens.numel();
    control.OnTokens(block.tokens.numel());
    cost.forward_seconds += Now() - start;
  }
  if (block.positions == 0) return absl::OkStatus();
  const double start = Now();
  for (CrossSums& sums : cross_) {
    sums.sample.Add(sides_.at(sums.tile.row_model)->wide.narrow(0, 0, block.positions),
                    sides_.at(sums.tile.column_model)->wide.narrow(0, 0, block.positions));
  }
  for (auto& [model, side] : sides_) {
    side->standardiser.AddBlock(block.positions, block.first, block.stream_positions, side->wide);
  }
  HOMOLOG_RETURN_IF_ERROR(CheckFinite());
  AddProducts();
  cost.moments_seconds += Now() - start;
  cost.moments_multiplications += BlockMultiplications(block.positions + spare);
  return absl::OkStatus();
}

void CorrelationPass::Transfer(StateArchive& archive) {
  archive.Part(next_sequence_);
  for (auto& [model, side] : sides_) side->standardiser.Transfer(archive);
  for (WithinSums& sums : within_) archive.Part(sums.products, device_);
  for (CrossSums& sums : cross_) {
    at::Tensor products = sums.products;
    archive.Part(products, device_);
    if (!products.is_same(sums.products)) sums.products.copy_(products);
    sums.sample.Transfer(archive);
  }
}

// Waits for the device: the one time in a block.
absl::Status CorrelationPass::CheckFinite() const {
  std::vector<at::Tensor> flags;
  for (const auto& [model, side] : sides_) flags.push_back(side->standardiser.Bad());
  if (!at::stack(flags).any().item<bool>()) return absl::OkStatus();
  for (const auto& [model, side] : sides_) {
    if (const absl::Status status = side->standardiser.Check(); !status.ok()) {
      return Annotate(status, ModelName(model));
    }
  }
  return absl::OkStatus();
}

at::Tensor CorrelationPass::Layers(int64_t model, int64_t first, int64_t layers) const {
  const Side& side = *sides_.at(model);
  const int64_t d_mlp = side.standardiser.shape().d_mlp;
  return side.operand.narrow(1, first * d_mlp, layers * d_mlp);
}

void CorrelationPass::AddProducts() {
  for (auto& [model, side] : sides_) side->operand = multiplier_.Operand(side->wide);
  std::vector<SymmetricProduct> within;
  for (const WithinSums& sums : within_) {
    within.push_back({Layers(sums.tile.model, sums.tile.layer, 1), sums.products,
                      standardiser(sums.tile.model).shape().layers >= at::get_num_threads()});
  }
  multiplier_.AddUpperProducts(within);
  for (const JointSums& sums : joint_) {
    const CrossTile& tile = sums.first;
    multiplier_.AddProduct(
        Layers(tile.row_model, tile.row_layer, sums.layers),
        sides_.at(tile.column_model)->operand.narrow(1, tile.column, tile.columns), sums.products);
  }
}

double CorrelationPass::BlockMultiplications(int64_t rows) const {
  double products = 0;
  for (const WithinSums& sums : within_) {
    products += static_cast<double>(sums.products.numel()) / 2;  // the other half is the same
  }
  for (const CrossSums& sums : cross_) products += static_cast<double>(sums.products.numel());
  return products * static_cast<double>(rows);
}

}  // namespace homolog::analysis
