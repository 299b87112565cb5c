#include "server/training/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/resource_names.h"
#include "common/text.h"
#include "server/training/flags.h"

namespace homolog::training {
namespace {

constexpr char kDescription[] =
    "Trains GPT-2-shaped language models on the bytes of a text, one per seed, and writes their\n"
    "checkpoints as OUT/MODELSEED/STEP/{config.json, model.safetensors} in Hugging Face's layout,\n"
    "with OUT/MODELSEED/training.json, the record of the recipe and the losses. A seed whose\n"
    "checkpoints are there already, of the same recipe, is skipped.";

constexpr char kExitCodes[] =
    "Losses go to standard output, progress and errors to standard error.\n"
    "Exit codes: 0 done; 1 the training failed (files, memory, divergence); 2 a flag or the text\n"
    "does not fit; 3 the text was not found; 4 the folder holds a model of another recipe, or is\n"
    "in use; 130 and 143 stopped by SIGINT and SIGTERM (finished checkpoints are kept).";

constexpr char kWorkerFlag[] = "--worker-seed";

absl::Status Invalid(const std::string& flag, const std::string& value, const std::string& right) {
  return InvalidArgument("INVALID_FLAG", absl::StrCat(flag, " is ", value, "; must be ", right),
                         {{"flag", flag}, {"value", value}});
}

// CLI11 takes the arguments last one first.
void Parse(CLI::App& app, std::vector<std::string> arguments) {
  std::reverse(arguments.begin(), arguments.end());
  app.parse(std::move(arguments));
}

// The preset decides the defaults of the other flags, so it is looked for first.
absl::StatusOr<Recipe> PresetOf(const std::vector<std::string>& arguments) {
  CLI::App app;
  app.allow_extras();
  app.set_help_flag();
  std::string preset;
  app.add_option("--preset", preset);
  Parse(app, arguments);
  if (preset.empty()) return Recipe();
  return Preset(preset);
}

void AddRunFlags(CLI::App& app, Flags& flags, Options& o) {
  flags.Text("--text", o.text, "The text to train on; not needed with --steps 0");
  flags.Text("--out", o.out, "The model repository's folder")->required();
  flags.Text("--model", o.model, "What the models are called, before their seed")->required();
  flags.Integers("--seeds", o.seeds, "One model per seed, 0 to 4294967295");
  flags.Integer("--jobs", o.jobs, "Processes at once; 0: two per core");
  flags.Integer("--threads", o.threads, "Threads per process; 0: the cores shared out");
  app.add_flag("--overwrite", o.overwrite, "Replace models of another recipe");
}

void AddModelFlags(CLI::App& app, Flags& flags, Recipe& r) {
  flags.Integer("--layers", r.layers, "Layers");
  flags.Integer("--d-model", r.d_model, "Width of the residual stream");
  flags.Integer("--heads", r.heads, "Attention heads per layer; a divisor of --d-model");
  flags.Integer("--d-mlp", r.d_mlp, "Neurons per layer; 0: 4 times --d-model");
  flags.Integer("--context", r.context, "Positions");
  flags.Integer("--vocabulary", r.vocabulary, "Token ids; 256 (bytes) to train");
  flags.Text("--activation", r.activation, "Nonlinearity, by Hugging Face's name");
  flags.Number("--init-std", r.init_std, "Standard deviation of the initial weights");
  app.add_flag_callback(
      "--tied-output", [&r] { r.tied_output = true; }, "Use the token embedding as output matrix");
  app.add_flag_callback(
      "--untied-output", [&r] { r.tied_output = false; }, "Train an output matrix of its own");
}

void AddTrainingFlags(Flags& flags, Recipe& r) {
  flags.Integer("--steps", r.steps, "Training steps; 0 writes the initial weights");
  flags.Integers("--checkpoints", r.checkpoints, "Steps to write; the last one always is");
  flags.Integer("--batch", r.batch, "Sequences per step");
  flags.Number("--learning-rate", r.learning_rate, "Peak learning rate");
  flags.Number("--beta1", r.beta1, "AdamW's decay of the mean gradient");
  flags.Number("--beta2", r.beta2, "AdamW's decay of the mean squared gradient");
  flags.Number("--epsilon", r.epsilon, "AdamW's epsilon");
  flags.Number("--weight-decay", r.weight_decay, "Decoupled weight decay, on matrices only");
  flags.Integer("--warm-up", r.warm_up, "Steps of linear warm-up");
  flags.Number("--final-fraction", r.final_fraction,
               "Of the learning rate at the last step, after linear decay");
  flags.Number("--gradient-clip", r.gradient_clip, "Largest gradient norm; 0: any");
  flags.Integer("--eval-interval", r.eval_interval,
                "Steps between held-out losses; 0: at checkpoints only");
  flags.Number("--held-out-fraction", r.held_out_fraction, "Of the text, at its end");
  flags.Integer("--held-out-windows", r.held_out_windows, "Sequences of a held-out loss");
}

absl::Status CheckSeeds(const std::vector<int64_t>& seeds) {
  std::set<int64_t> seen;
  for (const int64_t seed : seeds) {
    if (seed < 0 || seed > std::numeric_limits<uint32_t>::max()) {
      return Invalid("--seeds", absl::StrCat(seed), "integers from 0 to 4294967295");
    }
    if (!seen.insert(seed).second) {
      return Invalid("--seeds", absl::StrCat(seed, " twice"), "different seeds");
    }
  }
  return absl::OkStatus();
}

absl::Status Check(const Options& o) {
  HOMOLOG_RETURN_IF_ERROR(CheckSeeds(o.seeds));
  if (o.out.empty()) return Invalid("--out", "\"\"", "a folder");
  if (const absl::Status id = ValidateResourceId("model", o.ModelId(o.seeds.back())); !id.ok()) {
    return Annotate(id, absl::StrCat("--model is ", Quoted(o.model)));
  }
  if (o.jobs < 0 || o.jobs > 1024) {
    return Invalid("--jobs", absl::StrCat(o.jobs), "an integer from 0 (two per core) to 1024");
  }
  if (o.threads < 0 || o.threads > 1024) {
    return Invalid("--threads", absl::StrCat(o.threads),
                   "an integer from 0 (the cores shared out) to 1024");
  }
  HOMOLOG_RETURN_IF_ERROR(Validate(o.recipe));
  if (o.recipe.steps > 0 && o.text.empty()) {
    return Invalid("--text", "missing", "a text file (only --steps 0 needs none)");
  }
  return absl::OkStatus();
}

void ShareOutCores(Options& o, int64_t cores) {
  cores = std::max<int64_t>(1, cores);
  const int64_t seeds = static_cast<int64_t>(o.seeds.size());
  // Two per core: three seeds on two cores share them evenly, where one after two would leave a
  // core idle for a third of the time.
  if (o.jobs == 0) o.jobs = 2 * cores;
  o.jobs = std::min(o.jobs, seeds);
  if (o.threads == 0) o.threads = std::max<int64_t>(1, cores / o.jobs);
}

absl::StatusOr<Options> Read(const std::vector<std::string>& arguments, int64_t cores) {
  Options options;
  HOMOLOG_ASSIGN_OR_RETURN(options.recipe, PresetOf(arguments));
  CLI::App app(kDescription, "homolog-train");
  app.footer(kExitCodes);
  app.get_formatter()->column_width(36);
  Flags flags(app);
  std::string preset;
  int64_t worker_seed = 0;
  AddRunFlags(app, flags, options);
  flags.Text("--preset", preset, absl::StrCat("Defaults of all below: ", PresetNames()));
  AddModelFlags(app, flags, options.recipe);
  AddTrainingFlags(flags, options.recipe);
  CLI::Option* worker = flags.Integer(kWorkerFlag, worker_seed, "")->group("");
  try {
    Parse(app, arguments);
  } catch (const CLI::CallForHelp&) {
    options.help = app.help();
    return options;
  }
  HOMOLOG_RETURN_IF_ERROR(flags.status());
  // A preset's checkpoints belong to its number of steps.
  if (app.count("--steps") > 0 && app.count("--checkpoints") == 0) {
    options.recipe.checkpoints.clear();
  }
  if (worker->count() > 0) options.worker_seed = worker_seed;
  Resolve(options.recipe);
  HOMOLOG_RETURN_IF_ERROR(Check(options));
  ShareOutCores(options, cores);
  return options;
}

}  // namespace

absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& arguments, int64_t cores) {
  try {
    return Read(arguments, cores);
  } catch (const CLI::ParseError& error) {  // an unknown or repeated flag, a missing value
    return InvalidArgument("INVALID_FLAG",
                           absl::StrCat(error.what(), "; homolog-train --help lists the flags"));
  }
}

std::vector<std::string> WorkerArguments(int64_t seed) {
  return {kWorkerFlag, std::to_string(seed)};
}

}  // namespace homolog::training
