// A state as the bytes of a snapshot file.
//
// Thread-safety: belong to one thread at a time.
#ifndef HOMOLOG_SERVER_OPERATIONS_SNAPSHOT_ARCHIVE_H_
#define HOMOLOG_SERVER_OPERATIONS_SNAPSHOT_ARCHIVE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "server/analysis/state_archive.h"

namespace homolog::operations {

// Gives every part's bytes to a sink.
class SnapshotWriter : public analysis::StateArchive {
 public:
  explicit SnapshotWriter(std::function<void(std::string_view bytes)> sink)
      : sink_(std::move(sink)) {}
  using analysis::StateArchive::Part;
  void Part(at::Tensor& tensor, at::Device device) override;
  void Part(std::span<std::byte> bytes) override;
  void Part(std::string& bytes) override;

 private:
  const std::function<void(std::string_view bytes)> sink_;
};

// Counts the bytes that a SnapshotWriter would give, without bringing tensors to the host.
class SnapshotCounter : public analysis::StateArchive {
 public:
  using analysis::StateArchive::Part;
  void Part(at::Tensor& tensor, at::Device device) override;
  void Part(std::span<std::byte> bytes) override { bytes_ += bytes.size(); }
  void Part(std::string& bytes) override { bytes_ += sizeof(uint64_t) + bytes.size(); }
  uint64_t bytes() const { return bytes_; }

 private:
  uint64_t bytes_ = 0;
};

// Takes parts from bytes that outlive it. Throws std::runtime_error where they are not those of the
// same parts.
class SnapshotReader : public analysis::StateArchive {
 public:
  explicit SnapshotReader(std::string_view bytes) : rest_(bytes) {}
  using analysis::StateArchive::Part;
  void Part(at::Tensor& tensor, at::Device device) override;
  void Part(std::span<std::byte> bytes) override;
  void Part(std::string& bytes) override;

 private:
  std::string_view Take(uint64_t size);

  std::string_view rest_;
};

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_SNAPSHOT_ARCHIVE_H_
