#include <cstdint>
#include <string>
#include <vector>

#include "server/tensorfiles/pickle.h"
#include "server/tensorfiles/tensor_layout.h"
#include "server/tensorfiles/torch_file.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/targets.h"
#include "tests/unit/server/tensorfiles/torch_bytes.h"

namespace homolog::fuzz {
namespace {

using tensorfiles::TensorEntry;

// Storages as the seeds have them: "0" of 24 bytes, "1" of 16.
std::string FileAround(std::string_view pickle) {
  return homolog::testing::ZipOf({{"archive/data.pkl", std::string(pickle)},
                                  {"archive/data/0", std::string(24, 'a')},
                                  {"archive/data/1", std::string(16, 'b')},
                                  {"archive/version", "3\n"}});
}

void ReadTensors(std::string_view file, const std::vector<TensorEntry>& entries) {
  for (const TensorEntry& entry : entries) {
    const auto count = tensorfiles::ElementCount(entry.shape);
    Check(count.has_value() && entry.shape.size() == entry.strides.size());
    const int64_t bytes = *count * SafetensorsDtypeSize(entry.dtype);
    // As ParseTorchFile promises.
    Check(bytes <= 4 * static_cast<int64_t>(file.size()));
    std::string out(static_cast<size_t>(bytes), '\0');
    tensorfiles::CopyRowMajor(file, entry, 0, *count, out.data());
  }
}

}  // namespace

void FuzzPickle(std::string_view bytes) {
  const absl::StatusOr<tensorfiles::Pickle> pickle = tensorfiles::ParsePickle(bytes);
  if (!pickle.ok()) return CheckMessage(pickle.status());
  size_t items = pickle->root().items.size(), sum = 0;
  for (tensorfiles::PickleIndex i = 0; i < pickle->size(); ++i) {
    const tensorfiles::PickleValue& value = pickle->value(i);
    items += value.items.size();
    for (const tensorfiles::PickleIndex item : value.items) Check(item < pickle->size());
    for (const char c : value.text) sum += static_cast<unsigned char>(c);
  }
  Check(items <= 2 * bytes.size() + 2 && sum < SIZE_MAX);
}

void FuzzTorchFile(std::string_view bytes) {
  const bool zip = bytes.substr(0, 2) == "PK";
  const std::string file = zip ? std::string(bytes) : FileAround(bytes);
  const auto entries = tensorfiles::ParseTorchFile(file);
  if (!entries.ok()) return CheckMessage(entries.status());
  ReadTensors(file, *entries);
}

}  // namespace homolog::fuzz
