#include "server/training/command.h"

#include <ATen/Context.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/engine/device.h"
#include "server/training/corpus.h"
#include "server/training/memory.h"
#include "server/training/model_folder.h"
#include "server/training/progress.h"
#include "server/training/stop_signal.h"
#include "server/training/trainer.h"
#include "server/training/workers.h"

namespace homolog::training {
namespace {

namespace fs = std::filesystem;

bool Stopping() { return StopSignal() != 0; }

fs::path Folder(const Options& options, int64_t seed) {
  return fs::path(options.out) / options.ModelId(seed);
}

Source SourceOf(const Options& options, const std::optional<Corpus>& corpus, int64_t seed) {
  return {options.recipe, seed, corpus ? corpus->digest() : ""};
}

// Nothing where nothing is trained: then the text does not matter.
absl::StatusOr<std::optional<Corpus>> ReadCorpus(const Options& options) {
  const Recipe& recipe = options.recipe;
  if (recipe.steps == 0) return std::nullopt;
  HOMOLOG_ASSIGN_OR_RETURN(Corpus corpus,
                           Corpus::Read(options.text, recipe.held_out_fraction, recipe.context));
  return corpus;
}

absl::Status TrainHere(const Options& options, const std::optional<Corpus>& corpus, int64_t seed,
                       const ReportSink& report) {
  HOMOLOG_RETURN_IF_ERROR(engine::SetThreads(static_cast<int>(options.threads)).status());
  // Moments of neurons that went silent decay into denormal numbers, which are slow.
  at::globalContext().setFlushDenormal(true);
  const Job job = {SourceOf(options, corpus, seed), Folder(options, seed),
                   corpus ? &*corpus : nullptr};
  return Train(job, report, Stopping);
}

// Writes reports for the parent: every evaluation, and steps now and then.
class ReportWriter {
 public:
  void operator()(const Report& report) {
    const auto now = std::chrono::steady_clock::now();
    const bool due = now - written_ >= std::chrono::milliseconds(100);
    if (!due && !report.held_out_loss && !report.checkpoint) return;
    written_ = now;
    const std::string line = SerializeReport(report) + "\n";
    // Below PIPE_BUF: written as a whole. Where the parent died before it could be watched, SIGPIPE
    // ends this process here.
    if (::write(kReportDescriptor, line.data(), line.size()) < 0) return;
  }

 private:
  std::chrono::steady_clock::time_point written_;
};

absl::Status RunAsWorker(const Options& options) {
  // The parent may die without a word; nobody would show or stop this training any more.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  HOMOLOG_ASSIGN_OR_RETURN(const std::optional<Corpus> corpus, ReadCorpus(options));
  return TrainHere(options, corpus, *options.worker_seed, ReportWriter());
}

absl::Status RunWorkersFor(const Options& options, const std::vector<std::string>& arguments,
                           const std::vector<int64_t>& seeds, Progress& progress) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (error) return absl::InternalError(absl::StrCat("/proc/self/exe: ", error.message()));
  std::vector<WorkerCommand> commands;
  for (const int64_t seed : seeds) {
    WorkerCommand command = {absl::StrCat("seed ", seed), {self.string()}};
    for (const auto& part : {arguments, WorkerArguments(seed)}) {
      command.arguments.insert(command.arguments.end(), part.begin(), part.end());
    }
    commands.push_back(std::move(command));
  }
  const WorkerEvents events = {
      [&](const Report& report) { progress.Update(report); },
      [&](const std::string& line) { progress.Message(line); },
      Stopping,
  };
  return RunWorkers(commands, options.jobs, events);
}

// The seeds that are not trained yet, every one of which may be written.
absl::StatusOr<std::vector<int64_t>> SeedsToTrain(const Options& options,
                                                  const std::optional<Corpus>& corpus) {
  std::vector<int64_t> seeds;
  for (const int64_t seed : options.seeds) {
    const fs::path folder = Folder(options, seed);
    HOMOLOG_ASSIGN_OR_RETURN(const Plan plan,
                             PlanFor(folder, SourceOf(options, corpus, seed), options.overwrite));
    if (plan == Plan::kTrain) {
      seeds.push_back(seed);
    } else {
      std::cerr << "seed " << seed << ": " << folder.string() << " is trained already\n";
    }
  }
  return seeds;
}

absl::Status RunAsParent(const Options& options, const std::vector<std::string>& arguments) {
  HOMOLOG_ASSIGN_OR_RETURN(std::optional<Corpus> corpus, ReadCorpus(options));
  HOMOLOG_ASSIGN_OR_RETURN(const std::vector<int64_t> seeds, SeedsToTrain(options, corpus));
  if (seeds.empty()) return absl::OkStatus();
  const int64_t count = static_cast<int64_t>(seeds.size());
  HOMOLOG_RETURN_IF_ERROR(CheckMemory(options.recipe, std::min(options.jobs, count),
                                      engine::DeviceMemoryBytes(c10::kCPU)));
  Progress progress(count, options.recipe.steps, std::cout, std::cerr,
                    ::isatty(STDERR_FILENO) == 1);
  absl::Status status;
  if (count == 1) {
    status = TrainHere(options, corpus, seeds.front(),
                       [&](const Report& report) { progress.Update(report); });
  } else {
    corpus.reset();  // every worker reads its own
    status = RunWorkersFor(options, arguments, seeds, progress);
  }
  progress.Finish();
  return status;
}

}  // namespace

absl::Status RunCommand(const Options& options, const std::vector<std::string>& arguments) {
  return options.worker_seed ? RunAsWorker(options) : RunAsParent(options, arguments);
}

int ExitCode(const absl::Status& status, int stop_signal) {
  if (status.ok()) return 0;
  if (stop_signal != 0) return 128 + stop_signal;
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
      return 2;
    case absl::StatusCode::kNotFound:
      return 3;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
      return 4;
    default:
      return 1;
  }
}

}  // namespace homolog::training
