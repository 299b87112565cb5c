#include "server/store/database.h"

// How the database goes on after a write failed.
#include <sys/stat.h>

#include <filesystem>
#include <memory>
#include <mutex>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "common/folder_bytes.h"
#include "common/text.h"
#include "rocksdb/env.h"

namespace homolog::store {
namespace {

constexpr size_t kProbeBytes = 4096;
// Beside what is written: tables that grow out of the log, compactions, records of operations.
constexpr uint64_t kSpareBytes = uint64_t{64} << 20;

uint64_t MiB(uint64_t bytes) { return bytes >> 20; }

// RocksDB has no code of its own for a held lock; these are the messages of its POSIX environment.
bool IsLockHeld(const rocksdb::Status& status) {
  const std::string message = status.ToString();
  return status.IsIOError() && (absl::StrContains(message, "lock hold by current process") ||
                                absl::StrContains(message, "While lock file"));
}

absl::Status LockedError(const std::string& path) {
  return FailedPrecondition(
      "STORE_LOCKED",
      absl::StrCat("the store ", Quoted(path),
                   " is open in another server; stop that server, or give this one a folder of "
                   "its own"),
      {{"path", path}});
}

absl::Status UnavailableError(const std::string& path, const std::string& what) {
  return MakeError(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE",
                   absl::StrCat("the store ", Quoted(path), " cannot be used: ", what,
                                "; the folder must be on a disk with free space that this user "
                                "can read and write"),
                   {{"path", path}});
}

}  // namespace

absl::Status Store::Database::Corrupt(const std::string& what) const {
  return DataLoss("STORE_CORRUPT",
                  absl::StrCat("the store ", Quoted(path_), " is damaged: ", what,
                               "; restore the folder from a copy, or start with an empty one"),
                  {{"path", path_}});
}

absl::Status Store::Database::Error(const rocksdb::Status& status) const {
  if (IsLockHeld(status)) return LockedError(path_);
  if (status.IsCorruption()) return Corrupt(status.ToString());
  return UnavailableError(path_, status.ToString());
}

absl::Status Store::Database::ReadOnlyError(const std::string& reason, uint64_t bytes) const {
  return MakeError(absl::StatusCode::kUnavailable, "STORE_READ_ONLY",
                   absl::StrCat("the store ", Quoted(path_), " takes no writes now: ", reason,
                                "; what is stored can be read, and writes go on by themselves once "
                                "the folder takes them again"),
                   {{"path", path_}, {"bytes", absl::StrCat(bytes)}});
}

// A folder that was unmounted or deleted takes writes into files that nobody will find again.
absl::Status Store::Database::CheckFolder() const {
  struct stat status = {};
  const std::string lock = path_ + "/LOCK";
  if (stat(lock.c_str(), &status) == 0 &&
      folder_identity_ == std::pair<uint64_t, uint64_t>(status.st_dev, status.st_ino)) {
    return absl::OkStatus();
  }
  return ReadOnlyError("the folder is gone, or another one is in its place");
}

// One file written, synced and removed again.
absl::Status Store::Database::ProbeWrites() const {
  HOMOLOG_RETURN_IF_ERROR(CheckFolder());
  const std::string path = path_ + "/PROBE";
  std::unique_ptr<rocksdb::WritableFile> file;
  rocksdb::Status status = env_->NewWritableFile(path, &file, rocksdb::EnvOptions());
  if (status.ok()) status = file->Append(std::string(kProbeBytes, 'p'));
  if (status.ok()) status = file->Sync();
  if (status.ok()) status = file->Close();
  env_->DeleteFile(path).PermitUncheckedError();
  return status.ok() ? absl::OkStatus() : ReadOnlyError(status.ToString());
}

// Opening writes what the log holds into tables; what runs out of space in the midst of that can
// not even be read.
absl::Status Store::Database::CheckSpaceToOpen() const {
  uint64_t free_bytes = 0;
  if (!env_->GetFreeSpace(path_, &free_bytes).ok()) return absl::OkStatus();
  const uint64_t needed = static_cast<uint64_t>(FolderBytes(path_, ".log")) + kSpareBytes;
  if (free_bytes >= needed) return absl::OkStatus();
  return ReadOnlyError(absl::StrCat("the disk has ", MiB(free_bytes),
                                    " MiB left, and writes go on with ", MiB(needed), " MiB"));
}

absl::Status Store::Database::CheckSpaceFor(uint64_t bytes) const {
  uint64_t free_bytes = 0;
  if (!env_->GetFreeSpace(path_, &free_bytes).ok()) return absl::OkStatus();
  if (free_bytes >= bytes + kSpareBytes) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kResourceExhausted, "STORE_FULL",
      absl::StrCat("the disk of the store ", Quoted(path_), " has ", MiB(free_bytes),
                   " MiB left, too little for ", MiB(bytes) + 1, " MiB beside the ",
                   MiB(kSpareBytes),
                   " MiB that stay free; make room on it, or delete data sets or lower "
                   "--store-budget and then homolog store compact"),
      {{"path", path_},
       {"bytes", absl::StrCat(bytes)},
       {"free_bytes", absl::StrCat(free_bytes)},
       {"lacking_bytes", absl::StrCat(bytes + kSpareBytes - free_bytes)}});
}

void Store::Database::TryWrites() {
  if (!gate_.reason()) {
    if (const absl::Status folder = CheckFolder(); !folder.ok()) {
      gate_.Close("the folder is gone, or another one is in its place");
    }
    return;
  }
  if (!gate_.MayTry()) return;
  absl::Status status = ProbeWrites();
  if (status.ok()) status = CheckSpaceToOpen();
  if (status.ok()) status = Resume();
  if (status.ok()) gate_.Open();
}

absl::Status Store::Database::Resume() {
  const std::unique_lock lock(handles_mutex_);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  auto works = [&] {
    return db_ != nullptr &&
           db_->Put(synced, handle(Family::kMeta), rocksdb::Slice("probe"), "").ok();
  };
  if (db_ != nullptr && db_->Resume().ok() && works()) return absl::OkStatus();
  HOMOLOG_RETURN_IF_ERROR(OpenAnew());
  return works() ? absl::OkStatus() : ReadOnlyError("a first write failed");
}

// An error of the log is final for RocksDB; what was acknowledged is in the files.
absl::Status Store::Database::OpenAnew() {
  CloseHandles();
  const absl::Status opened = OpenExistingFamilies();
  if (opened.ok()) return opened;
  OpenFamilies(/*read_only=*/true).IgnoreError();  // reads go on where they can
  return opened;
}

}  // namespace homolog::store
