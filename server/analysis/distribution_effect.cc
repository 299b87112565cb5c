#include "server/analysis/distribution_effect.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "common/error.h"

namespace homolog::analysis {
namespace {

constexpr int64_t kSliceBytes = 64 << 20;

double Sum(const at::Tensor& values) { return values.sum(at::kDouble).item<double>(); }

// The next-token distributions of some positions.
struct Distributions {
  at::Tensor log_p;    // [position, vocabulary]
  at::Tensor p;        // the same, not logarithms
  at::Tensor entropy;  // [position]
  at::Tensor top1;     // [position]

  explicit Distributions(const at::Tensor& logits)
      : log_p(at::log_softmax(logits, -1, at::kFloat)),
        p(log_p.exp()),
        entropy((p * log_p).sum(-1).neg()),
        top1(logits.argmax(-1)) {}  // of the logits: their logarithms may round to equal ones
};

// One slice: positions [first, first + count) of the flattened batch.
class Slice {
 public:
  // next: [position] the id of the next token, -1 at a sequence's end.
  Slice(const engine::Model& model, const at::Tensor& next, int64_t first, int64_t count)
      : model_(model), first_(first), count_(count) {
    const at::Tensor of_slice = next.narrow(0, first, count);
    predicted_ = (of_slice >= 0).nonzero().reshape({-1});
    target_ = of_slice.clamp_min(0).unsqueeze(1);
  }

  Distributions Of(const at::Tensor& hidden) const {
    return Distributions(
        model_.Logits(hidden.reshape({-1, hidden.size(-1)}).narrow(0, first_, count_)));
  }
  int64_t predicted() const { return predicted_.numel(); }
  double Loss(const Distributions& d) const {
    return -Sum(d.log_p.gather(1, target_).index_select(0, predicted_));
  }

 private:
  const engine::Model& model_;
  const int64_t first_, count_;
  at::Tensor predicted_;  // the positions with a next token
  at::Tensor target_;     // [position, 1]: the next token; 0 where there is none
};

void AddEffect(const Slice& slice, const Distributions& clean, const Distributions& ablated,
               EffectSums& sums) {
  sums.loss += slice.Loss(ablated);
  sums.kl += Sum(clean.p * (clean.log_p - ablated.log_p));
  sums.entropy_change += Sum(ablated.entropy - clean.entropy);
  sums.top1_agreement += Sum((ablated.top1 == clean.top1).to(at::kFloat));
}

// [position]: the id that follows each position of the flattened batch, -1 at a sequence's end.
at::Tensor NextTokens(const at::Tensor& tokens) {
  at::Tensor next = at::full_like(tokens, -1);
  next.narrow(1, 0, tokens.size(1) - 1).copy_(tokens.narrow(1, 1, tokens.size(1) - 1));
  return next.reshape({-1});
}

}  // namespace

absl::Status CompareDistributions(const engine::Model& model, const at::Tensor& tokens,
                                  const std::vector<at::Tensor>& hidden, CleanSums& clean,
                                  std::vector<EffectSums>& sums, RunControl& control) {
  const int64_t vocabulary = model.description().shape.vocabulary_size;
  const int64_t rows = std::max<int64_t>(1, kSliceBytes / (4 * vocabulary));
  const at::Tensor next = NextTokens(tokens);
  for (int64_t first = 0; first < next.numel(); first += rows) {
    HOMOLOG_RETURN_IF_ERROR(control.Check());
    const Slice slice(model, next, first, std::min(rows, next.numel() - first));
    const Distributions clean_distributions = slice.Of(hidden[0]);
    clean.loss += slice.Loss(clean_distributions);
    clean.predicted += slice.predicted();
    for (size_t i = 0; i < sums.size(); ++i) {
      AddEffect(slice, clean_distributions, slice.Of(hidden[i + 1]), sums[i]);
    }
  }
  clean.positions += next.numel();
  return absl::OkStatus();
}

}  // namespace homolog::analysis
