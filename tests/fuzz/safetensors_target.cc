#include <cstdint>

#include "common/safetensors.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/targets.h"

namespace homolog::fuzz {

void FuzzSafetensors(std::string_view bytes) {
  const absl::StatusOr<SafetensorsHeader> header = ParseSafetensors(bytes);
  if (!header.ok()) return CheckMessage(header.status());
  uint64_t sum = 0;
  for (const SafetensorsEntry& entry : header->entries) {
    int64_t elements = 1;
    for (const int64_t size : entry.shape) elements *= size;
    Check(elements * SafetensorsDtypeSize(entry.dtype) == entry.size);
    for (int64_t i = 0; i < entry.size; ++i) {
      sum += static_cast<unsigned char>(bytes.data()[entry.begin + i]);
    }
  }
  Check(sum <= 255 * bytes.size());
}

}  // namespace homolog::fuzz
