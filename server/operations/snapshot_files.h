// Snapshots of an operation's computations as files: {folder}/{operation}/{key}.1, the latest, and
// .2, the one before. A file is written beside them, synced, and then renamed, and carries a
// digest: what is read is whole.
//
// Thread-safety: belongs to one thread at a time; the functions may be called from any thread.
#ifndef HOMOLOG_SERVER_OPERATIONS_SNAPSHOT_FILES_H_
#define HOMOLOG_SERVER_OPERATIONS_SNAPSHOT_FILES_H_

#include <chrono>
#include <filesystem>
#include <functional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "server/analysis/state_archive.h"

namespace homolog::operations {

struct SnapshotSettings {
  std::string folder;  // empty: none are kept
  std::chrono::seconds interval{600};
  // Told why one could not be kept.
  std::function<void(const std::string& problem)> on_failure;
};

class SnapshotFiles : public analysis::Snapshots {
 public:
  // operation: its resource name.
  SnapshotFiles(SnapshotSettings settings, const std::string& operation);

  bool IsDue() override;
  void Save(const std::string& key,
            absl::FunctionRef<void(analysis::StateArchive& archive)> write) override;
  bool Load(const std::string& key,
            absl::FunctionRef<void(analysis::StateArchive& archive)> read) override;

 private:
  absl::Status Write(const std::string& key,
                     absl::FunctionRef<void(analysis::StateArchive& archive)> write) const;

  const SnapshotSettings settings_;
  const std::filesystem::path folder_;  // of the operation
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// Bytes of the files that are kept of an operation.
int64_t SnapshotBytes(const SnapshotSettings& settings, const std::string& operation);

// Deletes what is kept of an operation that has ended; and of all but `operations`, by name.
void DeleteSnapshots(const SnapshotSettings& settings, const std::string& operation);
void DeleteSnapshotsExcept(const SnapshotSettings& settings,
                           const std::set<std::string>& operations);

}  // namespace homolog::operations

#endif  // HOMOLOG_SERVER_OPERATIONS_SNAPSHOT_FILES_H_
