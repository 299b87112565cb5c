// homolog-bench forward: the row of bfloat16 is empty on processors without its instructions.
#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "common/error.h"
#include "server/analysis/activations.h"
#include "server/engine/torch_errors.h"
#include "tests/bench/benchmark.h"
#include "tests/bench/machine_rate.h"
#include "tests/bench/model_flags.h"
#include "tests/bench/operation_count.h"
#include "tests/bench/random_model.h"
#include "tests/bench/timing.h"

namespace homolog::bench {
namespace {

struct Work {
  std::string name;
  engine::ModelShape shape;
  at::Tensor tokens;  // [sequence, position]
};

// Of several runs, each between matrix products that take as long: a machine's rate changes from
// second to second where others share it, and is higher in bursts.
struct Reading {
  Timing timing;
  double matrix_rate_share = 0;  // the median
};

absl::StatusOr<Reading> TimeReading(const Work& work, at::ScalarType precision,
                                    const CommonFlags& common) {
  const auto model = RandomModel(work.shape, /*seed=*/1, precision);
  if (!model.ok()) return model.status();
  analysis::ActivationReader reader(**model, engine::Site::kMlpPost);
  auto read = [&] { reader.Read(work.tokens, {}, 0); };
  read();
  const double operations = ForwardOperations(work.shape, work.tokens.numel(), work.tokens.size(1));
  std::vector<double> seconds, shares;
  double before = SustainedMatrixRate(common.machine_matrix, /*seconds=*/1);
  for (int i = 0; i < common.Repetitions(9); ++i) {
    const double start = Now();
    read();
    seconds.push_back(Now() - start);
    const double after = SustainedMatrixRate(common.machine_matrix, seconds.back());
    shares.push_back(operations / seconds.back() / ((before + after) / 2));
    before = after;
  }
  return Reading{Summarise(seconds), Summarise(shares).median};
}

nlohmann::ordered_json Row(const Work& work, const char* precision) {
  return {
      {"model", work.name},          {"layers", work.shape.layers}, {"d_model", work.shape.d_model},
      {"neurons", work.shape.d_mlp}, {"precision", precision},      {"tokens", work.tokens.numel()},
      {"seconds_min", nullptr},      {"seconds_median", nullptr},   {"tokens_per_second", nullptr},
      {"gflops", nullptr},           {"matrix_rate_share", nullptr}};
}

void Fill(nlohmann::ordered_json& row, const Work& work, const Reading& reading) {
  const auto tokens = static_cast<double>(work.tokens.numel());
  const double operations = ForwardOperations(work.shape, work.tokens.numel(), work.tokens.size(1));
  row["seconds_min"] = reading.timing.min;
  row["seconds_median"] = reading.timing.median;
  row["tokens_per_second"] = tokens / reading.timing.min;
  row["gflops"] = operations / reading.timing.min / 1e9;
  row["matrix_rate_share"] = reading.matrix_rate_share;
}

absl::StatusOr<Report> Measure(const ModelFlags& flags, const CommonFlags& common) {
  Work work = {flags.name(), flags.Resolve(), {}};
  const auto tokens = RandomTokens(flags.sequences, work.shape.context_length,
                                   work.shape.vocabulary_size, /*seed=*/0);
  HOMOLOG_ASSIGN_OR_RETURN(work.tokens, tokens.Read(0, flags.sequences));
  Report report;
  report.rows = {Row(work, "float32"), Row(work, "bfloat16")};
  HOMOLOG_ASSIGN_OR_RETURN(const Reading single, TimeReading(work, at::kFloat, common));
  Fill(report.rows[0], work, single);
  // The measured float32 rate is the measure of both rows.
  if (!HasBfloat16()) return report;
  HOMOLOG_ASSIGN_OR_RETURN(const Reading half, TimeReading(work, at::kBFloat16, common));
  Fill(report.rows[1], work, half);
  return report;
}

}  // namespace

Run AddForward(CLI::App& command) {
  auto flags = std::make_shared<ModelFlags>();
  AddModelFlags(command, *flags);
  return [flags](const CommonFlags& common) {
    return engine::CatchTorch([&] { return Measure(*flags, common); });
  };
}

}  // namespace homolog::bench
