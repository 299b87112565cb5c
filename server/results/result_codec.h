// Correlation results between their form in memory and their form in the store.
//
// A correlation's manifest is a homolog.v1.Correlation; its blobs are the columns of
// result_columns.h, under their names, neuron by neuron (flat index), little-endian. What a server
// did not know to compute has no blob.
//
// Thread-safety: pure functions; the store is thread-safe.
#ifndef HOMOLOG_SERVER_RESULTS_RESULT_CODEC_H_
#define HOMOLOG_SERVER_RESULTS_RESULT_CODEC_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "homolog/v1/ablation.pb.h"
#include "homolog/v1/correlation.pb.h"
#include "server/analysis/correlation.h"
#include "server/results/result_columns.h"
#include "server/store/store.h"

namespace homolog::results {

// What every correlation says of its neurons.
struct CorrelationColumns {
  std::vector<uint8_t> dead;
  std::vector<analysis::PairCorrelations> partners;
};

// Neurons of the reference that follow one another, by flat index.
struct NeuronRange {
  int64_t first = 0;
  int64_t count = 0;
};

// The numbers of a range of neurons in one column, as they lie in memory.
struct ColumnNumbers {
  int64_t width = 1;  // numbers per neuron
  std::string bytes;
};

// The blobs of `result`, but for columns that are empty.
std::vector<store::Blob> EncodeColumns(const analysis::CorrelationResult& result);

// The manifest of correlations/{id}. NOT_FOUND (reason CORRELATION_NOT_FOUND); DATA_LOSS (reason
// DAMAGED_RESULT) where the stored bytes cannot be read.
absl::StatusOr<v1::Correlation> ReadCorrelation(const store::Store& store, const std::string& id);
// Its columns of ColumnGroup::kCorrelations, and no other; errors as above.
absl::StatusOr<CorrelationColumns> ReadColumns(const store::Store& store, const std::string& id,
                                               const v1::Correlation& manifest);
// The manifest of a correlation that a question can be answered with: the columns that queries read
// are whole, all others that this version stores are there in their size. Errors as above.
absl::StatusOr<v1::Correlation> ReadComplete(const store::Store& store, const std::string& id);
// Whether it has the columns of `group`.
absl::StatusOr<bool> HasColumns(const store::Store& store, const std::string& id,
                                ColumnGroup group);
// One column of a group that it has, or of `neurons` alone. `neurons` are some of the reference's.
absl::StatusOr<ColumnNumbers> ReadColumn(const store::Store& store, const std::string& id,
                                         const v1::Correlation& manifest, const ColumnId& column,
                                         NeuronRange neurons);
// All columns of those groups, which it has, for `neurons` alone: row 0 is the first of them.
// Counts of positions are not filled in.
absl::StatusOr<analysis::CorrelationResult> ReadRows(const store::Store& store,
                                                     const std::string& id,
                                                     const v1::Correlation& manifest,
                                                     std::span<const ColumnGroup> groups,
                                                     NeuronRange neurons);
// All that a complete correlation says of its reference with one partner, and of its reference
// alone (without partners), as it was computed. DATA_LOSS (reason DAMAGED_RESULT).
absl::StatusOr<analysis::PairCorrelations> ReadPair(const store::Store& store,
                                                    const std::string& id,
                                                    const v1::Correlation& manifest, int partner);
absl::StatusOr<analysis::CorrelationResult> ReadReference(const store::Store& store,
                                                          const std::string& id,
                                                          const v1::Correlation& manifest);
// The manifest of ablations/{id}. NOT_FOUND (reason ABLATION_NOT_FOUND), DATA_LOSS.
absl::StatusOr<v1::Ablation> ReadAblation(const store::Store& store, const std::string& id);

}  // namespace homolog::results

#endif  // HOMOLOG_SERVER_RESULTS_RESULT_CODEC_H_
