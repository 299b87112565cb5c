// Golden checkpoints of tests/golden, made with Hugging Face transformers in float64 (see
// tests/golden/generate.py), read into tensors.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_TESTS_UNIT_SERVER_ENGINE_GOLDEN_H_
#define HOMOLOG_TESTS_UNIT_SERVER_ENGINE_GOLDEN_H_

#include <ATen/ATen.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>

#include "common/safetensors.h"
#include "server/engine/architecture.h"
#include "server/engine/model.h"

namespace homolog::testing {

using Tensors = std::map<std::string, at::Tensor>;

// The folder tests/golden.
inline std::string GoldenFolder() {
  const char* data = std::getenv("HOMOLOG_TEST_DATA");
  if (data == nullptr) throw std::runtime_error("HOMOLOG_TEST_DATA must be the folder tests");
  return std::string(data) + "/golden";
}

inline std::string ReadWholeFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  if (!file) throw std::runtime_error("cannot read " + path);
  return bytes.str();
}

inline at::ScalarType ScalarTypeOf(SafetensorsDtype dtype) {
  switch (dtype) {
    case SafetensorsDtype::kF32:
      return at::kFloat;
    case SafetensorsDtype::kI64:
      return at::kLong;
    default:
      throw std::runtime_error("golden files are float32 and int64");
  }
}

// The tensors of a safetensors file by name; they own their memory.
inline Tensors ReadTensors(const std::string& path) {
  std::string bytes = ReadWholeFile(path);
  const absl::StatusOr<SafetensorsHeader> header = ParseSafetensors(bytes);
  if (!header.ok()) throw std::runtime_error(path + ": " + std::string(header.status().message()));
  Tensors tensors;
  for (const SafetensorsEntry& entry : header->entries) {
    tensors[entry.name] =
        at::from_blob(bytes.data() + entry.begin, entry.shape, ScalarTypeOf(entry.dtype)).clone();
  }
  return tensors;
}

// The architecture of a checkpoint's folder.
inline std::unique_ptr<engine::Architecture> ReadArchitecture(const std::string& folder) {
  auto architecture =
      engine::ParseArchitecture(nlohmann::json::parse(ReadWholeFile(folder + "/config.json")));
  if (!architecture.ok()) throw std::runtime_error(std::string(architecture.status().message()));
  return *std::move(architecture);
}

// The model of a checkpoint's folder, its weights on `device`.
inline std::unique_ptr<engine::Model> ReadModel(const std::string& folder,
                                                at::Device device = at::kCPU) {
  const std::unique_ptr<engine::Architecture> architecture = ReadArchitecture(folder);
  engine::Weights weights;
  for (const auto& [name, tensor] : ReadTensors(folder + "/model.safetensors")) {
    if (const auto canonical = architecture->CanonicalName(name))
      weights[*canonical] = tensor.to(device);
  }
  return architecture->Build(std::move(weights));
}

}  // namespace homolog::testing

#endif  // HOMOLOG_TESTS_UNIT_SERVER_ENGINE_GOLDEN_H_
