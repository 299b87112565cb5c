#include "server/analysis/correlation.h"

#include <ATen/ATen.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/analysis/activations.h"
#include "server/analysis/moments.h"
#include "server/analysis/pair_reduction.h"
#include "server/engine/torch_errors.h"

namespace homolog::analysis {
namespace {

// Positions per block: enough rows that the products run at the machine's rate, few enough that a
// block of all models stays small beside the moments.
constexpr int64_t kBlockPositions = 2048;

// All models of one request in one pass over the tokens.
class CorrelationPass {
 public:
  CorrelationPass(const engine::Model& reference, const std::vector<const engine::Model*>& partners,
                  const CorrelationOptions& options)
      : options_(options) {
    AddModel(reference, /*within_layers=*/false);
    for (const engine::Model* partner : partners) {
      AddModel(*partner, /*within_layers=*/true);
      cross_.emplace_back(reference.description().shape, partner->description().shape,
                          reference.device(), options.pairing == Pairing::kSameIndex);
    }
  }

  absl::Status Accumulate(const TokenSequences& tokens, RunControl& control) {
    const int64_t batch = SequencesPerBatch(tokens, kBlockPositions);
    for (int64_t first = 0; first < tokens.sequence_count(); first += batch) {
      const int64_t count = std::min(batch, tokens.sequence_count() - first);
      HOMOLOG_ASSIGN_OR_RETURN(const at::Tensor block, tokens.Read(first, count));
      HOMOLOG_RETURN_IF_ERROR(AddBlock(block, control));
    }
    return absl::OkStatus();
  }

  int64_t counted_positions() const { return moments_[0].count(); }

  absl::StatusOr<CorrelationResult> Reduce(RunControl& control) const {
    CorrelationResult result;
    result.counted_positions = counted_positions();
    const at::Tensor dead = moments_[0].Dead().to(at::kCPU, at::kByte).contiguous();
    result.dead.assign(dead.data_ptr<uint8_t>(), dead.data_ptr<uint8_t>() + dead.numel());
    for (size_t i = 0; i < cross_.size(); ++i) {
      HOMOLOG_ASSIGN_OR_RETURN(PairCorrelations pair, ReducePair(moments_[0], moments_[i + 1],
                                                                 cross_[i], options_, control));
      result.partners.push_back(std::move(pair));
    }
    return result;
  }

 private:
  void AddModel(const engine::Model& model, bool within_layers) {
    readers_.emplace_back(model, options_.site);
    moments_.emplace_back(model.description().shape, model.device(), within_layers);
    devices_.push_back(model.device());
  }

  std::string ModelName(size_t model) const {
    if (model < options_.model_names.size()) return options_.model_names[model];
    return model == 0 ? "the reference" : absl::StrCat("partner ", model);
  }

  absl::Status AddBlock(const at::Tensor& tokens, RunControl& control) {
    const at::Tensor kept = KeptPositions(tokens, options_.excluded_token_ids);
    const int64_t positions = kept.defined() ? kept.numel() : tokens.numel();
    at::Tensor reference;
    for (size_t i = 0; i < readers_.size(); ++i) {
      HOMOLOG_RETURN_IF_ERROR(control.Check());
      at::Tensor block =
          readers_[i].Read(tokens, kept.defined() ? kept.to(devices_[i]) : at::Tensor(),
                           ModelMoments::SpareRows(positions));
      if (const absl::Status status = moments_[i].AddBlock(positions, block); !status.ok()) {
        return Annotate(status, ModelName(i));
      }
      if (i == 0) {
        reference = block;
      } else {
        cross_[i - 1].AddBlock(reference, block);
      }
      control.OnTokens(tokens.numel());
    }
    return absl::OkStatus();
  }

  const CorrelationOptions& options_;
  std::vector<ActivationReader> readers_;  // the reference, then the partners; so are the next two
  std::vector<ModelMoments> moments_;
  std::vector<at::Device> devices_;
  std::vector<CrossMoments> cross_;  // one per partner
};

absl::Status TooFewPositions(int64_t counted, int64_t positions) {
  return FailedPrecondition(
      "TOO_FEW_POSITIONS",
      absl::StrCat(
          counted, " of ", positions,
          " positions are counted; a correlation needs at least 2: use a longer data set or "
          "exclude fewer token ids"));
}

}  // namespace

int64_t CorrelationBytes(const engine::ModelShape& reference,
                         const std::vector<engine::ModelShape>& partners,
                         const CorrelationOptions& options) {
  const int64_t rows = kBlockPositions + ModelMoments::SpareRows(kBlockPositions);
  int64_t bytes = ModelMoments::Bytes(reference, false) + rows * reference.neurons() * 4;
  for (const engine::ModelShape& partner : partners) {
    bytes += ModelMoments::Bytes(partner, true) + rows * partner.neurons() * 4 +
             CrossMoments::Bytes(reference, partner, options.pairing == Pairing::kSameIndex);
  }
  return bytes;
}

absl::StatusOr<CorrelationResult> ComputeCorrelations(
    const engine::Model& reference, const std::vector<const engine::Model*>& partners,
    const TokenSequences& tokens, const CorrelationOptions& options, RunControl& control) {
  return engine::CatchTorch([&]() -> absl::StatusOr<CorrelationResult> {
    const at::NoGradGuard no_grad;
    const int64_t positions = tokens.sequence_count() * tokens.sequence_length();
    control.OnTotalTokens(positions * static_cast<int64_t>(partners.size() + 1));
    control.OnStage("reading activations");
    CorrelationPass pass(reference, partners, options);
    HOMOLOG_RETURN_IF_ERROR(pass.Accumulate(tokens, control));
    if (pass.counted_positions() < 2) return TooFewPositions(pass.counted_positions(), positions);
    control.OnStage("correlating");
    HOMOLOG_ASSIGN_OR_RETURN(CorrelationResult result, pass.Reduce(control));
    result.excluded_positions = positions - result.counted_positions;
    return result;
  });
}

}  // namespace homolog::analysis
