// Chosen layers and neurons of a batch of sequences.
//
// Thread-safety: pure function on the calling thread.
#ifndef HOMOLOG_SERVER_ANALYSIS_EXTRACTION_H_
#define HOMOLOG_SERVER_ANALYSIS_EXTRACTION_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "server/engine/model.h"

namespace homolog::analysis {

struct ExtractionOptions {
  engine::Site site = engine::Site::kMlpPost;
  std::vector<int64_t> layers;   // ascending, not empty
  std::vector<int64_t> neurons;  // ascending; empty: all
  at::ScalarType dtype = at::kFloat;
};

// tokens: [sequence, position] int64. One tensor [sequence * position, neuron] of the dtype on the
// CPU, contiguous, per layer of the options. RESOURCE_EXHAUSTED (OUT_OF_MEMORY).
absl::StatusOr<std::vector<at::Tensor>> ExtractActivations(const engine::Model& model,
                                                           const at::Tensor& tokens,
                                                           const ExtractionOptions& options);

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_EXTRACTION_H_
