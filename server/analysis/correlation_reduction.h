// From the sums of passes to results: what is kept between passes, and how sums become it.
//
// Thread-safety: belongs to one thread at a time. Methods throw what libtorch throws, unless they
// return a status.
#ifndef HOMOLOG_SERVER_ANALYSIS_CORRELATION_REDUCTION_H_
#define HOMOLOG_SERVER_ANALYSIS_CORRELATION_REDUCTION_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/analysis/baseline.h"
#include "server/analysis/correlation.h"
#include "server/analysis/correlation_pairs.h"
#include "server/analysis/correlation_pass.h"
#include "server/analysis/correlation_rows.h"
#include "server/analysis/run_control.h"
#include "server/analysis/state_archive.h"
#include "server/engine/model.h"

namespace homolog::analysis {

class CorrelationReduction {
 public:
  // options outlive it. device: where the sums are.
  CorrelationReduction(std::vector<engine::ModelShape> shapes, const CorrelationOptions& options,
                       at::Device device);

  // Running references whose statistics no pass has brought yet.
  std::set<int64_t> LacksStatistics() const;

  // Takes what a finished pass has summed. A model's products within layers come in the same pass
  // as its first products across, or before. `control` is asked between tiles.
  absl::Status Add(const CorrelationPass& pass, RunControl& control);

  // One per reference, without excluded positions; empty columns, partner by partner, for known
  // pairs, and empty ones of its own for a reference that did not run.
  std::vector<CorrelationResult> Finish();

  // All of its state, between passes.
  void Transfer(StateArchive& archive);

 private:
  // What is known of a model that runs.
  struct Model {
    explicit Model(RotatedDeviations deviations) : rotated(std::move(deviations)) {}
    RotatedDeviations rotated;
    std::vector<double> squared_norms;  // of covariance within each layer
    int64_t count = 0;                  // positions
    at::Tensor inverse_deviation;       // float32 [neurons]
    at::Tensor dead;                    // bool [neurons]
    bool has_statistics = false;
    NeuronStatistics statistics;
  };
  // A reference and a partner.
  struct Direction {
    CorrelationRows rows;
    BaselineAccumulator baseline;
    PairCorrelations result;  // filled at once by same_index pairing
  };
  // Two models, the first before the second.
  struct Pair {
    std::vector<double> squared_norms;  // [layer of the first, layer of the second]
    MeasuredError error;
  };

  bool same_index() const { return options_.pairing == Pairing::kSameIndex; }
  bool IsReference(int64_t model) const { return analysis::IsReference(options_, model); }
  int64_t ModelCount() const { return static_cast<int64_t>(shapes_.size()); }
  void AddDirection(int64_t reference, int64_t partner);
  void AddModels(const CorrelationPass& pass);
  absl::Status AddWithin(const WithinSums& sums, const Standardiser& standardiser,
                         RunControl& control);
  void AddCross(const CrossSums& sums, const CorrelationPass& pass);
  void AddNorms(const CrossSums& sums, const CorrelationPass& pass);
  void AddRows(int64_t reference, int64_t partner, int64_t first_row, int64_t first_column,
               const at::Tensor& products);
  absl::Status AddBaselines(const CorrelationPass& pass, RunControl& control);
  void AddBaseline(const CrossSums& sums, int64_t partner, int64_t layer, int64_t matrix,
                   const at::Tensor& map, const NeighbourMixture& mixture);
  CorrelationResult FinishReference(int64_t reference);
  PairCorrelations FinishPair(int64_t reference, int64_t partner);
  std::vector<float> LayerSimilarity(int64_t reference, int64_t partner) const;

  const std::vector<engine::ModelShape> shapes_;
  const CorrelationOptions& options_;
  const at::Device device_;
  std::map<int64_t, Model> models_;
  std::map<std::pair<int64_t, int64_t>, Direction> directions_;  // by reference, partner
  std::map<std::pair<int64_t, int64_t>, Pair> pairs_;
};

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_CORRELATION_REDUCTION_H_
