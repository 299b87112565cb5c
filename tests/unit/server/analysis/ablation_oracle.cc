#include "ablation_oracle.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "server/analysis/random.h"

namespace homolog::analysis {
namespace {

using Columns = std::vector<std::vector<double>>;

double Activation(const FakeModel& model, const FakeTokens& tokens, int64_t p, int64_t neuron) {
  return model.Activation(engine::Site::kMlpPost, tokens.id(p), p % tokens.sequence_length(),
                          neuron);
}

// The other position of p's sequence that kResample takes.
int64_t OtherPosition(const FakeTokens& tokens, uint64_t seed, int64_t p) {
  const int64_t length = tokens.sequence_length(), sequence = p / length, place = p % length;
  const uint64_t key = RandomKey({seed, static_cast<uint64_t>(sequence)});
  std::vector<int64_t> others;
  for (int64_t i = 0; i < length; ++i) {
    if (i != place) others.push_back(sequence * length + i);
  }
  return others[RandomBits(key, static_cast<uint64_t>(place)) % others.size()];
}

double Replaced(const FakeModel& model, const FakeTokens& tokens, const AblationOptions& options,
                int64_t p, int64_t neuron) {
  switch (options.kind) {
    case AblationKind::kZero:
      return 0;
    case AblationKind::kFixed:
      return options.value;
    case AblationKind::kThreshold:
      return std::min(Activation(model, tokens, p, neuron), options.value);
    case AblationKind::kResample:
      return Activation(model, tokens, OtherPosition(tokens, options.seed, p), neuron);
    case AblationKind::kMean:
      break;
  }
  double sum = 0;
  for (int64_t q = 0; q < tokens.positions(); ++q) sum += Activation(model, tokens, q, neuron);
  return sum / static_cast<double>(tokens.positions());
}

// log softmax of the logits at every position.
Columns LogProbabilities(const FakeModel& model, const NeuronSet& set, const FakeTokens& tokens,
                         const AblationOptions& options) {
  const engine::ModelShape& shape = model.description().shape;
  std::vector<bool> ablated(shape.neurons());
  for (const int64_t neuron : set) ablated[neuron] = true;
  std::vector<double> means(shape.neurons());
  if (options.kind == AblationKind::kMean) {
    for (const int64_t neuron : set) means[neuron] = Replaced(model, tokens, options, 0, neuron);
  }
  Columns all;
  for (int64_t p = 0; p < tokens.positions(); ++p) {
    std::vector<double> hidden(shape.d_model), logits(shape.vocabulary_size, 0.0);
    for (int64_t i = 0; i < shape.d_model; ++i) hidden[i] = model.Embedding(tokens.id(p), i);
    for (int64_t k = 0; k < shape.neurons(); ++k) {
      const double x = !ablated[k] ? Activation(model, tokens, p, k)
                       : options.kind == AblationKind::kMean
                           ? means[k]
                           : Replaced(model, tokens, options, p, k);
      for (int64_t i = 0; i < shape.d_model; ++i) hidden[i] += x * model.Output(k, i);
    }
    for (int64_t i = 0; i < shape.d_model; ++i) {
      for (int64_t v = 0; v < shape.vocabulary_size; ++v) {
        logits[v] += hidden[i] * model.Unembedding(i, v);
      }
    }
    const double largest = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const double logit : logits) sum += std::exp(logit - largest);
    for (double& logit : logits) logit -= largest + std::log(sum);
    all.push_back(std::move(logits));
  }
  return all;
}

int64_t MostLikely(const std::vector<double>& log_p) {
  return std::max_element(log_p.begin(), log_p.end()) - log_p.begin();
}

// Sums over the positions of each sequence, divided by how many there are.
class BySequence {
 public:
  BySequence(const FakeTokens& tokens, int64_t positions)
      : length_(tokens.sequence_length()),
        positions_(static_cast<double>(positions)),
        means_(tokens.sequence_count(), 0.0) {}
  void Add(int64_t p, double value) { means_[p / length_] += value / positions_; }
  // Two passes.
  Estimate Result() const {
    const auto n = static_cast<double>(means_.size());
    double mean = 0, squares = 0;
    for (const double x : means_) mean += x / n;
    for (const double x : means_) squares += (x - mean) * (x - mean);
    return {mean, n > 1 ? std::sqrt(squares / (n - 1)) / std::sqrt(n) : 0};
  }

 private:
  const int64_t length_;
  const double positions_;
  std::vector<double> means_;
};

}  // namespace

AblationEffect AblationByTheBook(const FakeModel& model, const NeuronSet& set,
                                 const FakeTokens& tokens, const AblationOptions& options) {
  const Columns clean = LogProbabilities(model, {}, tokens, options);
  const Columns ablated = LogProbabilities(model, set, tokens, options);
  const int64_t length = tokens.sequence_length();
  BySequence loss(tokens, length - 1), increase(tokens, length - 1), kl(tokens, length),
      entropy_change(tokens, length), agreement(tokens, length);
  for (int64_t p = 0; p < tokens.positions(); ++p) {
    const std::vector<double>&log_p = clean[p], &log_q = ablated[p];
    for (size_t v = 0; v < log_p.size(); ++v) {
      kl.Add(p, std::exp(log_p[v]) * (log_p[v] - log_q[v]));
      entropy_change.Add(p, std::exp(log_p[v]) * log_p[v] - std::exp(log_q[v]) * log_q[v]);
    }
    agreement.Add(p, MostLikely(log_p) == MostLikely(log_q) ? 1 : 0);
    if ((p + 1) % length == 0) continue;
    loss.Add(p, -log_q[tokens.id(p + 1)]);
    increase.Add(p, log_p[tokens.id(p + 1)] - log_q[tokens.id(p + 1)]);
  }
  return {static_cast<int64_t>(set.size()), loss.Result(),     increase.Result(), kl.Result(),
          entropy_change.Result(),          agreement.Result()};
}

}  // namespace homolog::analysis
