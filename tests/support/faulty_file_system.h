// A disk that fails on demand, under a store.
//
// Thread-safety: the switches may be set while the store runs.
#ifndef HOMOLOG_TESTS_SUPPORT_FAULTY_FILE_SYSTEM_H_
#define HOMOLOG_TESTS_SUPPORT_FAULTY_FILE_SYSTEM_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "rocksdb/env.h"
#include "rocksdb/file_system.h"

namespace homolog::testing {

struct Faults {
  std::atomic<bool> disk_full = false;    // writes: no space left, half of one done
  std::atomic<bool> read_only = false;    // writes and new files: an input/output error
  std::atomic<bool> sync_fails = false;   // syncs: an input/output error
  std::atomic<bool> no_manifest = false;  // new manifests, which every opening needs: an error
  std::atomic<int64_t> free_bytes = -1;   // what the disk says it has left; -1: the truth
  // The same, of a disk that others fill and empty; in place of free_bytes. To be set while no
  // other thread uses the store.
  std::function<int64_t()> free_space;
  std::atomic<bool> short_reads = false;   // reads of tables: half of what was asked for
  std::atomic<bool> flipped_bits = false;  // reads of tables: one bit in the middle is wrong
};

class FaultyFileSystem : public rocksdb::FileSystemWrapper {
 public:
  explicit FaultyFileSystem(Faults* faults)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), faults_(faults) {}
  const char* Name() const override { return "FaultyFileSystem"; }

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    if (faults_->read_only) return rocksdb::IOStatus::IOError("Read-only file system");
    if (faults_->no_manifest && name.find("MANIFEST") != std::string::npos) {
      return rocksdb::IOStatus::IOError("Input/output error");
    }
    const rocksdb::IOStatus status = target()->NewWritableFile(name, options, file, debug);
    if (status.ok()) *file = std::make_unique<WritableFile>(std::move(*file), faults_);
    return status;
  }
  rocksdb::IOStatus NewRandomAccessFile(const std::string& name,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                        rocksdb::IODebugContext* debug) override {
    const rocksdb::IOStatus status = target()->NewRandomAccessFile(name, options, file, debug);
    if (status.ok()) *file = std::make_unique<RandomAccessFile>(std::move(*file), faults_);
    return status;
  }
  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options,
                                 uint64_t* bytes, rocksdb::IODebugContext* debug) override {
    const int64_t free_bytes =
        faults_->free_space ? faults_->free_space() : faults_->free_bytes.load();
    if (free_bytes < 0) return target()->GetFreeSpace(path, options, bytes, debug);
    *bytes = static_cast<uint64_t>(free_bytes);
    return rocksdb::IOStatus::OK();
  }

 private:
  class WritableFile : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    WritableFile(std::unique_ptr<rocksdb::FSWritableFile> file, const Faults* faults)
        : FSWritableFileOwnerWrapper(std::move(file)), faults_(faults) {}
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override {
      if (faults_->read_only) return rocksdb::IOStatus::IOError("Read-only file system");
      if (!faults_->disk_full) return target()->Append(data, options, debug);
      // As a disk does: what fits is written.
      target()->Append({data.data(), data.size() / 2}, options, debug).PermitUncheckedError();
      rocksdb::IOStatus status = rocksdb::IOStatus::NoSpace("No space left on device");
      status.SetRetryable(true);
      return status;
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo& /*verification*/,
                             rocksdb::IODebugContext* debug) override {
      return Append(data, options, debug);
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
      if (faults_->sync_fails) return rocksdb::IOStatus::IOError("Input/output error");
      return target()->Sync(options, debug);
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* debug) override {
      return Sync(options, debug);
    }

   private:
    const Faults* const faults_;
  };

  class RandomAccessFile : public rocksdb::FSRandomAccessFileOwnerWrapper {
   public:
    RandomAccessFile(std::unique_ptr<rocksdb::FSRandomAccessFile> file, const Faults* faults)
        : FSRandomAccessFileOwnerWrapper(std::move(file)), faults_(faults) {}
    rocksdb::IOStatus Read(uint64_t offset, size_t size, const rocksdb::IOOptions& options,
                           rocksdb::Slice* result, char* scratch,
                           rocksdb::IODebugContext* debug) const override {
      const rocksdb::IOStatus status =
          target()->Read(offset, size, options, result, scratch, debug);
      if (!status.ok() || result->empty()) return status;
      if (faults_->short_reads) *result = {result->data(), result->size() / 2};
      if (faults_->flipped_bits) {
        if (result->data() != scratch) std::copy_n(result->data(), result->size(), scratch);
        scratch[result->size() / 2] ^= 0x10;
        *result = {scratch, result->size()};
      }
      return status;
    }

   private:
    const Faults* const faults_;
  };

  const Faults* const faults_;
};

}  // namespace homolog::testing

#endif  // HOMOLOG_TESTS_SUPPORT_FAULTY_FILE_SYSTEM_H_
