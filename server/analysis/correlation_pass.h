// One reading of the tokens: the sums of a planned pass.
//
// Thread-safety: belongs to one thread at a time. Methods throw what libtorch throws, unless they
// return a status.
#ifndef HOMOLOG_SERVER_ANALYSIS_CORRELATION_PASS_H_
#define HOMOLOG_SERVER_ANALYSIS_CORRELATION_PASS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "server/analysis/activations.h"
#include "server/analysis/correlation.h"
#include "server/analysis/correlation_plan.h"
#include "server/analysis/error_sample.h"
#include "server/analysis/products.h"
#include "server/analysis/run_control.h"
#include "server/analysis/standardiser.h"
#include "server/analysis/state_archive.h"
#include "server/analysis/token_sequences.h"
#include "server/engine/model.h"

namespace homolog::analysis {

// Sums of one tile over all counted positions.
struct WithinSums {
  WithinTile tile;
  at::Tensor products;  // [d_mlp, d_mlp] float32 of y; only on and above the diagonal
};
struct CrossSums {
  CrossTile tile;
  at::Tensor
      products;  // [d_mlp of the row model, columns] float32 of y; may be rows of a larger one
  ErrorSample sample;
};

class CorrelationPass {
 public:
  // All outlive the pass. statistics_of: models whose neurons' statistics are wanted.
  CorrelationPass(const std::vector<const engine::Model*>& models, const CorrelationPlan& plan,
                  const PlannedPass& planned, const CorrelationOptions& options,
                  const std::set<int64_t>& statistics_of);

  // Reads all tokens, from next_sequence() on; the blocks are gone afterwards. FAILED_PRECONDITION
  // (NON_FINITE_ACTIVATION), and what the tokens and control.Check() say, which leaves the sums as
  // they were after the last whole block. Adds to `cost`. `on_block` is called after every block.
  absl::Status Run(const TokenSequences& tokens, RunControl& control, CorrelationCost& cost,
                   absl::FunctionRef<void()> on_block);

  // The first sequence that the sums do not hold.
  int64_t next_sequence() const { return next_sequence_; }
  // Sums, and how far they go: between blocks.
  void Transfer(StateArchive& archive);

  const Standardiser& standardiser(int64_t model) const { return sides_.at(model)->standardiser; }
  std::vector<int64_t> models() const;
  int64_t counted_positions() const { return sides_.begin()->second->standardiser.count(); }
  const std::vector<WithinSums>& within() const { return within_; }
  const std::vector<CrossSums>& cross() const { return cross_; }

 private:
  // A model while it is read.
  struct Side {
    Side(const engine::Model& model, const CorrelationOptions& options, bool statistics)
        : reader(model, options.site),
          standardiser(model.description().shape, model.device(), statistics, options.portable) {}
    // Gives back what only reading takes.
    void Release() {
      wide.reset();
      operand.reset();
      reader.Release();
    }

    ActivationReader reader;
    Standardiser standardiser;
    at::Tensor wide, operand;  // of the block at hand
  };

  // Sums of tiles whose row layers follow one another, below one another: one product takes them.
  struct JointSums {
    CrossTile first;
    int64_t layers;
    at::Tensor products;  // [layers * d_mlp of the row model, columns]
  };

  struct Block;
  at::Tensor Zeros(int64_t rows, int64_t columns) const;
  void Join();
  bool MayJoin(const CrossTile& a, const CrossTile& b) const;
  absl::Status AddBlock(const Block& block, RunControl& control, CorrelationCost& cost);
  absl::Status CheckFinite() const;
  void AddProducts();
  double BlockMultiplications(int64_t rows) const;
  // [position, layers * d_mlp], as they are multiplied.
  at::Tensor Layers(int64_t model, int64_t first, int64_t layers) const;
  std::string ModelName(int64_t model) const;

  const CorrelationPlan& plan_;
  const CorrelationOptions& options_;
  const at::Device device_;
  const Multiplier multiplier_;
  int64_t next_sequence_ = 0;
  std::map<int64_t, std::unique_ptr<Side>> sides_;
  std::vector<WithinSums> within_;
  std::vector<CrossSums> cross_;
  std::vector<JointSums> joint_;  // of all of cross_
};

}  // namespace homolog::analysis

#endif  // HOMOLOG_SERVER_ANALYSIS_CORRELATION_PASS_H_
