// Correlation results between their form in memory and their form in the store.
//
// A correlation's manifest is a homolog.v1.Correlation; its blobs are columns with one entry per
// reference neuron (flat index), little-endian: "dead" (uint8) and, per partner i from 0,
// "{i}.max_corr", "{i}.min_corr", "{i}.baseline", "{i}.baseline_std" (float32), "{i}.max_sim",
// "{i}.min_sim" (int32, flat index in the partner).
//
// Thread-safety: pure functions; the store is thread-safe.
#ifndef HOMOLOG_SERVER_RESULTS_RESULT_CODEC_H_
#define HOMOLOG_SERVER_RESULTS_RESULT_CODEC_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "homolog/v1/ablation.pb.h"
#include "homolog/v1/correlation.pb.h"
#include "server/analysis/correlation.h"
#include "server/store/store.h"

namespace homolog::results {

// The columns of one correlation, without positions counted (the manifest has them).
struct CorrelationColumns {
  std::vector<uint8_t> dead;
  std::vector<analysis::PairCorrelations> partners;
};

// The blobs of `result`.
std::vector<store::Blob> EncodeColumns(const analysis::CorrelationResult& result);

// The manifest of correlations/{id}. NOT_FOUND (reason CORRELATION_NOT_FOUND); DATA_LOSS (reason
// DAMAGED_RESULT) where the stored bytes cannot be read.
absl::StatusOr<v1::Correlation> ReadCorrelation(const store::Store& store, const std::string& id);
// Its columns; errors as above.
absl::StatusOr<CorrelationColumns> ReadColumns(const store::Store& store, const std::string& id,
                                               const v1::Correlation& manifest);
// The manifest of ablations/{id}. NOT_FOUND (reason ABLATION_NOT_FOUND), DATA_LOSS.
absl::StatusOr<v1::Ablation> ReadAblation(const store::Store& store, const std::string& id);

}  // namespace homolog::results

#endif  // HOMOLOG_SERVER_RESULTS_RESULT_CODEC_H_
