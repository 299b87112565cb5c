#include "server/training/memory.h"

#include "absl/strings/str_format.h"
#include "common/error.h"

namespace homolog::training {
namespace {

constexpr double kFloat = 4;

double ParameterFloats(const Recipe& r) {
  const double width = static_cast<double>(r.d_model);
  const double block = 4 * width * width + 2 * width * static_cast<double>(r.d_mlp);
  const double embeddings =
      static_cast<double>(r.vocabulary) * (r.tied_output ? 1 : 2) + static_cast<double>(r.context);
  return static_cast<double>(r.layers) * block + embeddings * width;
}

// What autograd keeps per position: the inputs of every matrix product, norm and nonlinearity, the
// attention's weights, and the logits with their softmax and gradient.
double ActivationFloats(const Recipe& r) {
  const double block = 8.0 * static_cast<double>(r.d_model) + 2.0 * static_cast<double>(r.d_mlp) +
                       static_cast<double>(r.heads) * static_cast<double>(r.context);
  const double position =
      static_cast<double>(r.layers) * block + 3.0 * static_cast<double>(r.vocabulary);
  return static_cast<double>(r.batch) * static_cast<double>(r.context) * position;
}

}  // namespace

double MemoryBytes(const Recipe& r) {
  if (r.steps == 0) return kFloat * ParameterFloats(r);
  // Values, gradients, two moments and scratch.
  return kFloat * (5 * ParameterFloats(r) + ActivationFloats(r));
}

absl::Status CheckMemory(const Recipe& recipe, int64_t processes, int64_t available) {
  const double needed = static_cast<double>(processes) * MemoryBytes(recipe);
  if (needed <= static_cast<double>(available)) return absl::OkStatus();
  return ResourceExhausted(
      "OUT_OF_MEMORY",
      absl::StrFormat("training %d seeds at once needs at least %.1f GiB and the machine has "
                      "%.1f GiB; lower --jobs, --batch, --context or the model's sizes",
                      processes, needed / (1 << 30), static_cast<double>(available) / (1 << 30)));
}

}  // namespace homolog::training
