#include "server/operations/snapshot_files.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/folder_bytes.h"
#include "common/mapped_file.h"
#include "common/resource_names.h"
#include "server/operations/snapshot_archive.h"

namespace homolog::operations {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "HOMOLOG SNAPSHOT 1\n";
// Left on the disk for the store, which would take no more writes without.
constexpr uintmax_t kSpareBytes = uintmax_t{256} << 20;

// XXH3-128 of a stream of bytes.
class Digest {
 public:
  Digest() : state_(XXH3_createState(), XXH3_freeState) { XXH3_128bits_reset(state_.get()); }
  void Update(std::string_view bytes) {
    XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
  }
  std::string Finish() const {
    XXH128_canonical_t digest;
    XXH128_canonicalFromHash(&digest, XXH3_128bits_digest(state_.get()));
    return {reinterpret_cast<const char*>(digest.digest), sizeof digest.digest};
  }

 private:
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state_;
};

constexpr size_t kDigestBytes = sizeof(XXH128_canonical_t);

absl::Status FileError(const fs::path& path, const std::string& what) {
  return MakeError(absl::StatusCode::kUnavailable, "SNAPSHOT_FAILED",
                   absl::StrCat("the snapshot ", path.string(), " could not be written: ", what));
}

// A new file; removed again unless Sync succeeded.
class NewFile {
 public:
  explicit NewFile(fs::path path)
      : path_(std::move(path)), file_(std::fopen(path_.c_str(), "wb")) {}
  ~NewFile() {
    if (file_ == nullptr) return;
    std::fclose(file_);
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  void Append(std::string_view bytes) {
    if (file_ == nullptr || failed_ || bytes.empty()) return;
    failed_ = std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size();
  }
  absl::Status Sync() {
    const bool good =
        file_ != nullptr && !failed_ && std::fflush(file_) == 0 && fsync(fileno(file_)) == 0;
    if (!good) return FileError(path_, std::strerror(errno));
    std::fclose(std::exchange(file_, nullptr));
    return absl::OkStatus();
  }

 private:
  const fs::path path_;
  std::FILE* file_;
  bool failed_ = false;
};

// So that a rename outlives a loss of power.
void SyncFolder(const fs::path& folder) {
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY);
  if (descriptor < 0) return;
  fsync(descriptor);
  close(descriptor);
}

fs::path FileOf(const fs::path& folder, const std::string& key, int age) {
  return folder / absl::StrCat(key, ".", age);
}

// The state's bytes in a whole file; nothing where it is damaged.
std::optional<std::string_view> StateOf(std::string_view file) {
  if (!file.starts_with(kMagic) || file.size() < kMagic.size() + kDigestBytes) return std::nullopt;
  const std::string_view signed_bytes = file.substr(0, file.size() - kDigestBytes);
  Digest digest;
  digest.Update(signed_bytes);
  if (digest.Finish() != file.substr(signed_bytes.size())) return std::nullopt;
  return signed_bytes.substr(kMagic.size());
}

std::string FolderName(const std::string& operation) {
  const absl::StatusOr<std::string> id = ParseName(kOperations, operation);
  return id.ok() ? *id : "unnamed";
}

}  // namespace

SnapshotFiles::SnapshotFiles(SnapshotSettings settings, const std::string& operation)
    : settings_(std::move(settings)), folder_(fs::path(settings_.folder) / FolderName(operation)) {}

bool SnapshotFiles::IsDue() {
  return !settings_.folder.empty() &&
         std::chrono::steady_clock::now() - last_ >= settings_.interval;
}

void SnapshotFiles::Save(const std::string& key,
                         absl::FunctionRef<void(analysis::StateArchive& archive)> write) {
  if (settings_.folder.empty()) return;
  const absl::Status status = Write(key, write);
  if (!status.ok() && settings_.on_failure) settings_.on_failure(std::string(status.message()));
  last_ = std::chrono::steady_clock::now();
}

absl::Status SnapshotFiles::Write(
    const std::string& key, absl::FunctionRef<void(analysis::StateArchive& archive)> write) const {
  SnapshotCounter counter;
  write(counter);
  const uint64_t bytes = counter.bytes();
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) return FileError(folder_, error.message());
  const fs::space_info space = fs::space(folder_, error);
  if (!error && space.available < bytes + kSpareBytes) {
    return FileError(folder_, absl::StrCat("it has ", bytes, " bytes, the disk ", space.available,
                                           " left, of which ", kSpareBytes, " are the store's"));
  }
  const fs::path beside = folder_ / (key + ".new"), latest = FileOf(folder_, key, 1);
  NewFile file(beside);
  Digest digest;
  auto append = [&](std::string_view part) {
    digest.Update(part);
    file.Append(part);
  };
  append(kMagic);
  SnapshotWriter writer(append);
  write(writer);
  file.Append(digest.Finish());
  HOMOLOG_RETURN_IF_ERROR(file.Sync());
  if (fs::exists(latest, error)) fs::rename(latest, FileOf(folder_, key, 2), error);
  fs::rename(beside, latest, error);
  if (error) return FileError(latest, error.message());
  SyncFolder(folder_);
  return absl::OkStatus();
}

bool SnapshotFiles::Load(const std::string& key,
                         absl::FunctionRef<void(analysis::StateArchive& archive)> read) {
  if (settings_.folder.empty()) return false;
  for (const int age : {1, 2}) {
    const fs::path path = FileOf(folder_, key, age);
    std::error_code error;
    if (!fs::exists(path, error)) continue;
    const auto file = MappedFile::Open(path.string());
    const std::optional<std::string_view> state =
        file.ok() ? StateOf((*file)->bytes()) : std::nullopt;
    if (!state) {
      if (settings_.on_failure) settings_.on_failure(path.string() + " is damaged");
      continue;
    }
    SnapshotReader reader(*state);
    read(reader);
    return true;
  }
  return false;
}

int64_t SnapshotBytes(const SnapshotSettings& settings, const std::string& operation) {
  if (settings.folder.empty()) return 0;
  return FolderBytes((fs::path(settings.folder) / FolderName(operation)).string());
}

void DeleteSnapshots(const SnapshotSettings& settings, const std::string& operation) {
  if (settings.folder.empty()) return;
  std::error_code ignored;
  fs::remove_all(fs::path(settings.folder) / FolderName(operation), ignored);
}

void DeleteSnapshotsExcept(const SnapshotSettings& settings,
                           const std::set<std::string>& operations) {
  if (settings.folder.empty()) return;
  std::set<std::string> kept;
  for (const std::string& operation : operations) kept.insert(FolderName(operation));
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(settings.folder, error)) {
    std::error_code ignored;
    if (kept.count(entry.path().filename().string()) == 0) fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace homolog::operations
