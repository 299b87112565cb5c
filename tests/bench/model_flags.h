// The sizes of one model that a benchmark runs, as typed.
//
// Thread-safety: one thread at a time.
#ifndef HOMOLOG_TESTS_BENCH_MODEL_FLAGS_H_
#define HOMOLOG_TESTS_BENCH_MODEL_FLAGS_H_

#include <CLI/App.hpp>
#include <cstdint>
#include <string>

#include "server/engine/model.h"

namespace homolog::bench {

struct ModelFlags {
  std::string preset;
  engine::ModelShape shape = {.layers = 6,
                              .d_model = 256,
                              .d_mlp = 1024,
                              .heads = 4,
                              .vocabulary_size = 5000,
                              .context_length = 512};
  int64_t sequences = 2;  // of the context's length

  // "gpt2-small", or "flags".
  std::string name() const;
  engine::ModelShape Resolve() const;  // the preset's, where there is one
};

void AddModelFlags(CLI::App& command, ModelFlags& flags);
// The sizes that decide a model's weights: all but the sequence length.
void AddShapeFlags(CLI::App& command, engine::ModelShape& shape);
// A number above 0, with its default in the help.
void AddSizeFlag(CLI::App& command, const char* name, int64_t& value, const char* help);

}  // namespace homolog::bench

#endif  // HOMOLOG_TESTS_BENCH_MODEL_FLAGS_H_
