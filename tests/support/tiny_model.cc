#include "tests/support/tiny_model.h"

#include <nlohmann/json.hpp>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "common/safetensors.h"
#include "tests/support/temporary_folder.h"

namespace homolog::testing {
namespace {

std::vector<SafetensorsEntry> Entries(const TinyModel& m) {
  std::vector<SafetensorsEntry> entries;
  auto add = [&](const std::string& name, std::vector<int64_t> shape) {
    entries.push_back({"transformer." + name, SafetensorsDtype::kF32, std::move(shape), 0, 0});
  };
  add("wte.weight", {m.vocabulary, m.d_model});
  add("wpe.weight", {m.context, m.d_model});
  for (int64_t layer = 0; layer < m.layers; ++layer) {
    const std::string h = "h." + std::to_string(layer) + ".";
    for (const char* norm : {"ln_1", "ln_2"}) {
      add(h + norm + ".weight", {m.d_model});
      add(h + norm + ".bias", {m.d_model});
    }
    add(h + "attn.c_attn.weight", {m.d_model, 3 * m.d_model});
    add(h + "attn.c_attn.bias", {3 * m.d_model});
    add(h + "attn.c_proj.weight", {m.d_model, m.d_model});
    add(h + "attn.c_proj.bias", {m.d_model});
    add(h + "mlp.c_fc.weight", {m.d_model, m.d_mlp});
    add(h + "mlp.c_fc.bias", {m.d_mlp});
    add(h + "mlp.c_proj.weight", {m.d_mlp, m.d_model});
    add(h + "mlp.c_proj.bias", {m.d_model});
  }
  add("ln_f.weight", {m.d_model});
  add("ln_f.bias", {m.d_model});
  return entries;
}

nlohmann::json Config(const TinyModel& m) {
  return {
      {"model_type", "gpt2"}, {"n_layer", m.layers},        {"n_embd", m.d_model},
      {"n_head", m.heads},    {"n_inner", m.d_mlp},         {"n_positions", m.context},
      {"n_ctx", m.context},   {"vocab_size", m.vocabulary}, {"activation_function", "gelu_new"}};
}

}  // namespace

void WriteTinyModel(const std::filesystem::path& folder, const TinyModel& model) {
  WriteFile(folder / "config.json", Config(model).dump());
  const std::vector<SafetensorsEntry> entries = Entries(model);
  auto writer = SafetensorsWriter::Create((folder / "model.safetensors").string(), entries);
  if (!writer.ok()) throw std::runtime_error(writer.status().ToString());
  std::mt19937_64 random(model.seed);
  std::normal_distribution<float> normal(0, static_cast<float>(model.scale));
  for (size_t i = 0; i < entries.size(); ++i) {
    int64_t count = 1;
    for (const int64_t size : entries[i].shape) count *= size;
    const bool norm_weight =
        entries[i].name.find("ln_") != std::string::npos && entries[i].name.ends_with(".weight");
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = normal(random) + (norm_weight ? 1.0f : 0.0f);
    const absl::Status written = (*writer)->Write(
        i, 0, std::string_view(reinterpret_cast<char*>(values.data()), values.size() * 4));
    if (!written.ok()) throw std::runtime_error(written.ToString());
  }
  if (const absl::Status status = (*writer)->Finish(); !status.ok()) {
    throw std::runtime_error(status.ToString());
  }
}

}  // namespace homolog::testing
