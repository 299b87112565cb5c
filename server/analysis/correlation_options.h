// What is asked of a correlation.
#ifndef HOMOLOG_SERVER_ANALYSIS_CORRELATION_OPTIONS_H_
#define HOMOLOG_SERVER_ANALYSIS_CORRELATION_OPTIONS_H_

#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/analysis/rotation.h"
#include "server/engine/model.h"

namespace homolog::analysis {

enum class Pairing { kBest, kSameIndex };

// How activations are multiplied; sums are float32 in every case.
enum class Precision {
  kFloat32,
  kBfloat16,  // activations rounded to 8 bits of mantissa
  kTf32,      // rounded to 11, on CUDA only
};

// Two models by their places, the first before the second.
using ModelPair = std::pair<int64_t, int64_t>;

struct CorrelationOptions {
  engine::Site site = engine::Site::kMlpPost;
  Pairing pairing = Pairing::kBest;
  BaselineKind baseline = BaselineKind::kGaussian;
  int64_t rotations = 1;  // > 0
  uint64_t seed = 0;
  std::vector<int64_t> excluded_token_ids = {};  // sorted
  Precision precision = Precision::kFloat32;
  // Every model is the reference in turn; else the first alone.
  bool every_reference = false;
  // Device memory for activations and moments, without weights: where they need more, the tokens
  // are read in more passes.
  int64_t memory_bytes = std::numeric_limits<int64_t>::max();
  // Neurons of a partner that are multiplied with a layer at once, at least one layer: wide enough
  // for products at full speed.
  int64_t tile_columns = 8192;
  // Libtorch's operations only, as on other devices than the CPU.
  bool portable = false;
  // Of the models: what messages call them. Empty: their places.
  std::vector<std::string> model_names = {};
  // Pairs that are not multiplied, because what they would say is known: both directions come back
  // empty. A model that takes part in no other pair does not run.
  std::set<ModelPair> known_pairs = {};
};

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_CORRELATION_OPTIONS_H_
