// Trains one model of one seed, in this process.
//
// Thread-safety: pure functions; one training at a time in a process is sensible.
#ifndef HOMOLOG_SERVER_TRAINING_TRAINER_H_
#define HOMOLOG_SERVER_TRAINING_TRAINER_H_

#include <cstdint>
#include <filesystem>
#include <functional>

#include "absl/status/status.h"
#include "server/training/corpus.h"
#include "server/training/model_folder.h"
#include "server/training/report.h"

namespace homolog::training {

struct Job {
  Source source;                 // its recipe is resolved and valid
  std::filesystem::path folder;  // of the model; its checkpoints go in
  // The text; may be null where the recipe has no steps.
  const Corpus* corpus = nullptr;
};

// Called on the training thread, after every step and every evaluation.
using ReportSink = std::function<void(const Report&)>;
// Asked between steps; true ends the training with CANCELLED.
using Stopped = std::function<bool()>;

// Trains with plain ATen operations on libtorch's current intra-op threads. The initial weights and
// the samples come from two streams of the seed. Writes the recipe's checkpoints and training.json
// with the losses. Errors: those of the files; INTERNAL (reason DIVERGED) where the loss is no
// number any more; CANCELLED.
absl::Status Train(const Job& job, const ReportSink& report, const Stopped& stopped);

}  // namespace homolog::training

#endif  // HOMOLOG_SERVER_TRAINING_TRAINER_H_
