#include "server/analysis/distribution_effect.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "common/error.h"

namespace homolog::analysis {
namespace {

constexpr int64_t kSliceBytes = 64 << 20;

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
  // next: [position] the id of the next token, -1 at a sequence's end; length: positions of a
  // sequence.
  Slice(const engine::Model& model, const at::Tensor& next, int64_t length, int64_t first,
        int64_t count)
      : model_(model), first_(first), count_(count) {
    const at::Tensor of_slice = next.narrow(0, first, count);
    predicted_ = of_slice >= 0;
    target_ = of_slice.clamp_min(0).unsqueeze(1);
    sequence_ = at::arange(first, first + count, next.options()).floor_divide_(length);
  }

  Distributions Of(const at::Tensor& hidden) const {
    return Distributions(
        model_.Logits(hidden.reshape({-1, hidden.size(-1)}).narrow(0, first_, count_)));
  }
  // [position]; 0 where there is no next token.
  at::Tensor Loss(const Distributions& d) const {
    return d.log_p.gather(1, target_).squeeze(1).neg_().masked_fill_(predicted_.logical_not(), 0);
  }
  // Adds values [position] to the sums of their sequences.
  void AddTo(at::Tensor& sums, const at::Tensor& values) const {
    sums.index_add_(0, sequence_, values.to(at::kDouble));
  }

 private:
  const engine::Model& model_;
  const int64_t first_, count_;
  at::Tensor predicted_;  // bool [position]: has a next token
  at::Tensor target_;     // [position, 1]: the next token; 0 where there is none
  at::Tensor sequence_;   // [position]
};

void AddEffect(const Slice& slice, const Distributions& clean, const Distributions& ablated,
               EffectSums& sums) {
  slice.AddTo(sums.loss, slice.Loss(ablated));
  slice.AddTo(sums.kl, (clean.p * (clean.log_p - ablated.log_p)).sum(1, false, at::kDouble));
  slice.AddTo(sums.entropy_change, ablated.entropy - clean.entropy);
  slice.AddTo(sums.top1_agreement, ablated.top1 == clean.top1);
}

// [position]: the id that follows each position of the flattened batch, -1 at a sequence's end.
at::Tensor NextTokens(const at::Tensor& tokens) {
  at::Tensor next = at::full_like(tokens, -1);
  next.narrow(1, 0, tokens.size(1) - 1).copy_(tokens.narrow(1, 1, tokens.size(1) - 1));
  return next.reshape({-1});
}

}  // namespace

absl::StatusOr<BatchSums> CompareDistributions(const engine::Model& model, const at::Tensor& tokens,
                                               const std::vector<at::Tensor>& hidden,
                                               RunControl& control) {
  const int64_t vocabulary = model.description().shape.vocabulary_size;
  const int64_t rows = std::max<int64_t>(1, kSliceBytes / (4 * vocabulary));
  auto zeros = [&] { return at::zeros({tokens.size(0)}, tokens.options().dtype(at::kDouble)); };
  BatchSums sums{{zeros()}, {}};
  for (size_t i = 1; i < hidden.size(); ++i) {
    sums.effects.push_back({zeros(), zeros(), zeros(), zeros()});
  }
  const at::Tensor next = NextTokens(tokens);
  for (int64_t first = 0; first < next.numel(); first += rows) {
    const Slice slice(model, next, tokens.size(1), first, std::min(rows, next.numel() - first));
    HOMOLOG_RETURN_IF_ERROR(control.Check());
    const Distributions clean = slice.Of(hidden[0]);
    slice.AddTo(sums.clean.loss, slice.Loss(clean));
    for (size_t i = 0; i < sums.effects.size(); ++i) {
      AddEffect(slice, clean, slice.Of(hidden[i + 1]), sums.effects[i]);
    }
  }
  return sums;
}

}  // namespace homolog::analysis
