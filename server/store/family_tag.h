// The column families, and a name for each that outlives a database that is opened anew.
//
// Thread-safety: immutable once their number is set, which Database does while it opens.
#ifndef HOMOLOG_SERVER_STORE_FAMILY_TAG_H_
#define HOMOLOG_SERVER_STORE_FAMILY_TAG_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "rocksdb/comparator.h"
#include "rocksdb/db.h"

namespace homolog::store {

// One per kind of record.
enum class Family { kResults, kBlobs, kOperations, kDatasets, kMeta };
inline constexpr std::array<std::string_view, 5> kFamilyNames = {"results", "blobs", "operations",
                                                                 "datasets", "meta"};

// All that a WriteBatch asks of a column family. RocksDB's own handles die with their database.
class FamilyTag final : public rocksdb::ColumnFamilyHandle {
 public:
  void Set(const rocksdb::ColumnFamilyHandle& handle) {
    id_ = handle.GetID();
    name_ = handle.GetName();
  }
  const std::string& GetName() const override { return name_; }
  uint32_t GetID() const override { return id_; }
  rocksdb::Status GetDescriptor(rocksdb::ColumnFamilyDescriptor* /*descriptor*/) override {
    return rocksdb::Status::NotSupported();
  }
  const rocksdb::Comparator* GetComparator() const override {
    return rocksdb::BytewiseComparator();
  }

 private:
  uint32_t id_ = 0;
  std::string name_;
};

}  // namespace homolog::store

#endif  // HOMOLOG_SERVER_STORE_FAMILY_TAG_H_
