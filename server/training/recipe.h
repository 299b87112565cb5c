// Everything that decides what a training run gives, but its text and its seed.
//
// Thread-safety: values and pure functions.
#ifndef HOMOLOG_SERVER_TRAINING_RECIPE_H_
#define HOMOLOG_SERVER_TRAINING_RECIPE_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace homolog::training {

// The defaults are the recipe of a two-layer byte model that shows universal neurons in a minute.
struct Recipe {
  // The model.
  int64_t layers = 2;
  int64_t d_model = 64;
  int64_t heads = 4;
  int64_t d_mlp = 0;         // neurons per layer; 0: 4 * d_model
  int64_t context = 64;      // positions
  int64_t vocabulary = 256;  // 256: bytes are tokens
  bool tied_output = true;
  std::string activation = "relu";
  double init_std = 0.02;  // of the initial weight matrices and embeddings

  // The optimiser: AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101).
  int64_t steps = 800;
  std::vector<int64_t> checkpoints;  // steps, ascending; Resolve adds the last one
  int64_t batch = 32;                // sequences per step
  double learning_rate = 4e-3;       // the peak
  double beta1 = 0.9;
  double beta2 = 0.98;
  double epsilon = 1e-8;
  double weight_decay = 0.1;    // on matrices only
  int64_t warm_up = 50;         // steps
  double final_fraction = 0.1;  // of the learning rate, at the last step
  double gradient_clip = 1.0;   // norm over all gradients; 0: not clipped

  // The held-out loss.
  double held_out_fraction = 0.05;  // of the text, at its end; never trained on
  int64_t held_out_windows = 512;   // sequences, spread evenly over the held-out text
  int64_t eval_interval = 0;        // steps; 0: only at checkpoints

  bool operator==(const Recipe&) const = default;
};

// The recipe called `name`. INVALID_ARGUMENT (reason UNKNOWN_PRESET) otherwise.
absl::StatusOr<Recipe> Preset(const std::string& name);
// The presets' names, for messages.
std::string PresetNames();

// Fills in what follows from the rest: d_mlp, and the last step as a checkpoint; sorts the
// checkpoints.
void Resolve(Recipe& recipe);

// INVALID_ARGUMENT (reason INVALID_RECIPE) naming the flag, its value and what would be right.
// `recipe` is resolved.
absl::Status Validate(const Recipe& recipe);

// The recipe as it is recorded and compared: every field by name.
nlohmann::json ToJson(const Recipe& recipe);

// The config.json of the recipe's model, as Hugging Face's GPT2LMHeadModel reads it.
nlohmann::json HuggingFaceConfig(const Recipe& recipe);

// The learning rate of step `step` (from 0): linear from 0 over warm_up steps to the peak, then
// linear to final_fraction of it at the last step.
double LearningRate(const Recipe& recipe, int64_t step);

}  // namespace homolog::training

#endif  // HOMOLOG_SERVER_TRAINING_RECIPE_H_
