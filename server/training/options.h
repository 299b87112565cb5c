// The command line of homolog-train.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_SERVER_TRAINING_OPTIONS_H_
#define HOMOLOG_SERVER_TRAINING_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/training/recipe.h"

namespace homolog::training {

struct Options {
  std::string text;   // "" where nothing is trained
  std::string out;    // the repository's folder
  std::string model;  // the models are called by it and their seed
  std::vector<int64_t> seeds = {0};
  Recipe recipe;        // resolved and valid
  int64_t jobs = 0;     // processes at once, at least 1 once parsed
  int64_t threads = 0;  // of each process, at least 1 once parsed
  bool overwrite = false;
  // Set in a process that trains one seed for another homolog-train: the seed.
  std::optional<int64_t> worker_seed;
  // Set where help was asked for: what to print, and nothing else is to be done.
  std::string help;

  // The model's id of a seed, its folder's name.
  std::string ModelId(int64_t seed) const { return model + std::to_string(seed); }
};

// Reads and checks everything that can be checked without touching a file. `arguments` is without
// the program's name; `cores` decides the defaults of jobs and threads. INVALID_ARGUMENT names the
// flag, its value and what would be right.
absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& arguments, int64_t cores);

// The arguments of a worker process for `seed`, to be put behind those of its parent.
std::vector<std::string> WorkerArguments(int64_t seed);

}  // namespace homolog::training

#endif  // HOMOLOG_SERVER_TRAINING_OPTIONS_H_
