// Weight files taken apart and put together by hand: safetensors and PyTorch's, whole or in shards.
//
// Thread-safety: pure functions.
#ifndef HOMOLOG_TESTS_UNIT_SERVER_CHECKPOINTS_RAW_TENSORS_H_
#define HOMOLOG_TESTS_UNIT_SERVER_CHECKPOINTS_RAW_TENSORS_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/safetensors.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/server/tensorfiles/torch_bytes.h"

namespace homolog::testing {

// A tensor of a file as its header has it.
struct RawTensor {
  std::string name, dtype;
  std::vector<int64_t> shape;
  std::string bytes;
};

inline std::vector<RawTensor> ReadTensors(const std::string& file) {
  std::vector<RawTensor> tensors;
  const SafetensorsHeader header = ParseSafetensors(file).value();
  for (const SafetensorsEntry& entry : header.entries) {
    tensors.push_back({entry.name, std::string(SafetensorsDtypeName(entry.dtype)), entry.shape,
                       file.substr(entry.begin, entry.size)});
  }
  return tensors;
}

// The tensor of this name, with or without the prefix "transformer.".
inline RawTensor& Find(std::vector<RawTensor>& tensors, const std::string& name) {
  for (RawTensor& tensor : tensors) {
    if (tensor.name == "transformer." + name || tensor.name == name) return tensor;
  }
  throw std::runtime_error("no tensor " + name);
}

// The safetensors file of `tensors`.
inline std::string FileOf(const std::vector<RawTensor>& tensors) {
  nlohmann::json header = nlohmann::json::object();
  std::string data;
  for (const RawTensor& tensor : tensors) {
    header[tensor.name] = {{"dtype", tensor.dtype},
                           {"shape", tensor.shape},
                           {"data_offsets", {data.size(), data.size() + tensor.bytes.size()}}};
    data += tensor.bytes;
  }
  const std::string text = header.dump();
  return Little(text.size(), 8) + text + data;
}

inline std::vector<int64_t> RowMajor(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t d = shape.size(); d-- > 1;) strides[d - 1] = strides[d] * shape[d];
  return strides;
}

// The pytorch_model.bin of `tensors`, a storage for each.
inline std::string TorchFileOf(const std::vector<RawTensor>& tensors) {
  const std::map<std::string, std::string> types = {
      {"F64", "Double"}, {"F32", "Float"}, {"F16", "Half"}, {"BF16", "BFloat16"},
      {"I64", "Long"},   {"U8", "Byte"},   {"BOOL", "Bool"}};
  std::vector<TorchTensor> described;
  std::map<std::string, std::string> storages;
  for (const RawTensor& tensor : tensors) {
    const std::string key = std::to_string(storages.size());
    int64_t elements = 1;
    for (const int64_t size : tensor.shape) elements *= size;
    described.push_back({.name = tensor.name,
                         .shape = tensor.shape,
                         .strides = RowMajor(tensor.shape),
                         .storage = key,
                         .elements = elements,
                         .type = types.at(tensor.dtype) + "Storage"});
    storages[key] = tensor.bytes;
  }
  return TorchFile(PickleOf(StateDictProgram(described)), storages);
}

// Deals `tensors` out to three shards of the format that `file` writes, with their index. Returns
// the shards' names.
inline std::vector<std::string> WriteShards(const std::filesystem::path& folder,
                                            const std::string& stem, const std::string& suffix,
                                            const std::vector<RawTensor>& tensors,
                                            std::string (*file)(const std::vector<RawTensor>&)) {
  std::vector<std::string> names;
  nlohmann::json map;
  for (size_t shard = 0; shard < 3; ++shard) {
    names.push_back(stem + "-0000" + std::to_string(shard + 1) + "-of-00003" + suffix);
    std::vector<RawTensor> part;
    for (size_t i = shard; i < tensors.size(); i += 3) {
      part.push_back(tensors[i]);
      map[tensors[i].name] = names.back();
    }
    WriteFile(folder / names.back(), file(part));
  }
  WriteFile(folder / (stem + suffix + ".index.json"),
            nlohmann::json{{"metadata", {{"total_size", 1}}}, {"weight_map", map}}.dump());
  return names;
}

}  // namespace homolog::testing

#endif  // HOMOLOG_TESTS_UNIT_SERVER_CHECKPOINTS_RAW_TENSORS_H_
