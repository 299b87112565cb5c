// A small GPT-2 checkpoint with random weights, in Hugging Face's layout.
#ifndef HOMOLOG_TESTS_SUPPORT_TINY_MODEL_H_
#define HOMOLOG_TESTS_SUPPORT_TINY_MODEL_H_

#include <cstdint>
#include <filesystem>

namespace homolog::testing {

struct TinyModel {
  int64_t layers = 2, d_model = 16, heads = 2, d_mlp = 24, context = 32, vocabulary = 256;
  uint64_t seed = 0;
  double scale = 0.3;  // standard deviation of the weights
};

// Writes config.json and model.safetensors into `folder`.
void WriteTinyModel(const std::filesystem::path& folder, const TinyModel& model);

}  // namespace homolog::testing

#endif  // HOMOLOG_TESTS_SUPPORT_TINY_MODEL_H_
