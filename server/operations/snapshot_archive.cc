#include "server/operations/snapshot_archive.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

namespace homolog::operations {
namespace {

constexpr int8_t kUndefined = -1;

}  // namespace

void SnapshotWriter::Part(std::span<std::byte> bytes) {
  sink_({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void SnapshotWriter::Part(std::string& bytes) {
  uint64_t size = bytes.size();
  Part(size);
  sink_(bytes);
}

void SnapshotWriter::Part(at::Tensor& tensor, at::Device /*device*/) {
  int8_t type = tensor.defined() ? static_cast<int8_t>(tensor.scalar_type()) : kUndefined;
  Part(type);
  if (!tensor.defined()) return;
  std::vector<int64_t> sizes(tensor.sizes().begin(), tensor.sizes().end());
  Part(sizes);
  const at::Tensor host = tensor.cpu().contiguous();
  sink_({static_cast<const char*>(host.data_ptr()), host.nbytes()});
}

void SnapshotCounter::Part(at::Tensor& tensor, at::Device /*device*/) {
  bytes_ += sizeof(int8_t);
  if (!tensor.defined()) return;
  bytes_ += sizeof(uint64_t) + tensor.dim() * sizeof(int64_t) + tensor.nbytes();
}

std::string_view SnapshotReader::Take(uint64_t size) {
  if (size > rest_.size()) throw std::runtime_error("a snapshot ends before the state does");
  const std::string_view taken = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return taken;
}

void SnapshotReader::Part(std::span<std::byte> bytes) {
  const std::string_view taken = Take(bytes.size());
  std::copy_n(reinterpret_cast<const std::byte*>(taken.data()), taken.size(), bytes.data());
}

void SnapshotReader::Part(std::string& bytes) {
  uint64_t size = 0;
  Part(size);
  bytes = std::string(Take(size));
}

void SnapshotReader::Part(at::Tensor& tensor, at::Device device) {
  int8_t type = kUndefined;
  Part(type);
  if (type == kUndefined) {
    tensor = at::Tensor();
    return;
  }
  std::vector<int64_t> sizes;
  Part(sizes);
  at::Tensor host = at::empty(sizes, at::TensorOptions().dtype(static_cast<at::ScalarType>(type)));
  const std::string_view bytes = Take(host.nbytes());
  std::copy_n(bytes.data(), bytes.size(), static_cast<char*>(host.data_ptr()));
  tensor = host.to(device);
}

}  // namespace homolog::operations
