#include "server/training/trainer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/engine/architecture.h"
#include "server/engine/torch_errors.h"
#include "server/training/adamw.h"
#include "server/training/checkpoint.h"
#include "server/training/parameters.h"

namespace homolog::training {
namespace {

// The stream of samples of a seed, apart from that of its initial weights. The standard fixes both
// std::seed_seq and std::mt19937_64, so that every machine draws the same samples.
std::mt19937_64 SampleStream(int64_t seed) {
  std::seed_seq words = {static_cast<uint32_t>(seed), uint32_t{0x73616d70}};  // "samp"
  return std::mt19937_64(words);
}

// Mean next-token cross-entropy in nats of tokens [sequence, context + 1].
at::Tensor Loss(const engine::Model& model, const at::Tensor& tokens) {
  const int64_t context = tokens.size(1) - 1;
  const at::Tensor hidden = model.Hidden(tokens.narrow(1, 0, context), {});
  const at::Tensor logits = model.Logits(hidden.flatten(0, 1));
  return at::cross_entropy_loss(logits, tokens.narrow(1, 1, context).reshape({-1}));
}

class Training {
 public:
  Training(const Job& job, const ReportSink& report, ModelFolder folder,
           const engine::Architecture& architecture)
      : recipe_(job.source.recipe),
        seed_(job.source.seed),
        corpus_(job.corpus),
        report_(report),
        folder_(std::move(folder)),
        samples_(SampleStream(job.source.seed)),
        parameters_(architecture, recipe_.init_std, job.source.seed) {
    folder_.record()["parameters"] = engine::ParameterCount(architecture);
    folder_.record()["threads"] = at::get_num_threads();
    if (corpus_ == nullptr) return;
    model_ = architecture.Build(parameters_.Leaves());
    optimizer_ = std::make_unique<AdamW>(parameters_, recipe_);
    held_out_ = corpus_->HeldOut(recipe_.held_out_windows);
  }

  absl::Status Run(const Stopped& stopped) {
    HOMOLOG_RETURN_IF_ERROR(Milestone(0));
    for (int64_t step = 0; step < recipe_.steps; ++step) {
      if (stopped()) {
        return absl::CancelledError(absl::StrCat("stopped at step ", step));
      }
      HOMOLOG_RETURN_IF_ERROR(Step(step));
      HOMOLOG_RETURN_IF_ERROR(Milestone(step + 1));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Step(int64_t step) {
    const at::Tensor loss = Loss(*model_, corpus_->Sample(recipe_.batch, samples_));
    training_loss_ = loss.item<double>();
    if (!std::isfinite(*training_loss_)) {
      return MakeError(absl::StatusCode::kInternal, "DIVERGED",
                       absl::StrCat("the training loss is ", *training_loss_, " at step ", step,
                                    "; lower --learning-rate (", recipe_.learning_rate,
                                    ") or --gradient-clip (", recipe_.gradient_clip, ")"));
    }
    loss.backward();
    optimizer_->Step(LearningRate(recipe_, step));
    return absl::OkStatus();
  }

  // Evaluates, records and saves what is due once `step` steps are done.
  absl::Status Milestone(int64_t step) {
    const bool checkpoint =
        std::binary_search(recipe_.checkpoints.begin(), recipe_.checkpoints.end(), step);
    const bool evaluate =
        checkpoint || (recipe_.eval_interval > 0 && step % recipe_.eval_interval == 0);
    Report report{seed_, step, training_loss_, std::nullopt, checkpoint};
    if (evaluate && model_ != nullptr) report.held_out_loss = HeldOutLoss();
    if (checkpoint) {
      HOMOLOG_RETURN_IF_ERROR(
          WriteCheckpoint(folder_.path(), step, HuggingFaceConfig(recipe_), parameters_));
    }
    if (evaluate) HOMOLOG_RETURN_IF_ERROR(Record(report));
    report_(report);
    return absl::OkStatus();
  }

  double HeldOutLoss() const {
    const at::NoGradGuard no_grad;
    double sum = 0;
    for (int64_t begin = 0; begin < held_out_.size(0); begin += recipe_.batch) {
      const int64_t count = std::min(recipe_.batch, held_out_.size(0) - begin);
      const at::Tensor loss = Loss(*model_, held_out_.narrow(0, begin, count));
      sum += loss.item<double>() * static_cast<double>(count);
    }
    return sum / static_cast<double>(held_out_.size(0));
  }

  absl::Status Record(const Report& report) {
    nlohmann::json entry = {{"step", report.step}};
    if (report.training_loss) entry["training_loss"] = *report.training_loss;
    if (report.held_out_loss) entry["held_out_loss"] = *report.held_out_loss;
    folder_.record()["evaluations"].push_back(std::move(entry));
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin_;
    folder_.record()["seconds"] = std::round(elapsed.count() * 10) / 10;
    folder_.record()["complete"] = report.step == recipe_.steps;
    return folder_.Save();
  }

  const Recipe recipe_;
  const int64_t seed_;
  const Corpus* corpus_;
  const ReportSink& report_;
  ModelFolder folder_;
  std::mt19937_64 samples_;
  Parameters parameters_;
  std::unique_ptr<engine::Model> model_;
  std::unique_ptr<AdamW> optimizer_;
  at::Tensor held_out_;
  std::optional<double> training_loss_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace

absl::Status Train(const Job& job, const ReportSink& report, const Stopped& stopped) {
  HOMOLOG_ASSIGN_OR_RETURN(const std::unique_ptr<engine::Architecture> architecture,
                           engine::ParseArchitecture(HuggingFaceConfig(job.source.recipe)));
  HOMOLOG_ASSIGN_OR_RETURN(ModelFolder folder, ModelFolder::Open(job.folder, job.source));
  return engine::CatchTorch([&]() -> absl::Status {
    Training training(job, report, std::move(folder), *architecture);
    return training.Run(stopped);
  });
}

}  // namespace homolog::training
