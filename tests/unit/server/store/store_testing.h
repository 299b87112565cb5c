// What the tests of the store share: a folder for each test and a look at the raw keys.
#ifndef HOMOLOG_TESTS_UNIT_SERVER_STORE_STORE_TESTING_H_
#define HOMOLOG_TESTS_UNIT_SERVER_STORE_STORE_TESTING_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rocksdb/db.h"
#include "server/store/store.h"

namespace homolog::store {

// The value of `result`, or a failed test that says why there is none.
template <typename T>
T ValueOf(absl::StatusOr<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().ToString());
  return std::move(result).value();
}

inline std::vector<std::string> Ids(const Page& page) {
  std::vector<std::string> ids;
  for (const Record& record : page.records) ids.push_back(record.id);
  return ids;
}

// A RocksDB with every column family it has, opened past the store.
class RawDatabase {
 public:
  explicit RawDatabase(const std::string& path) {
    std::vector<std::string> names;
    Check(rocksdb::DB::ListColumnFamilies({}, path, &names));
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
    for (const std::string& name : names) {
      descriptors.emplace_back(name, rocksdb::ColumnFamilyOptions());
    }
    rocksdb::DB* db = nullptr;
    Check(rocksdb::DB::Open({}, path, descriptors, &handles_, &db));
    db_.reset(db);
  }
  ~RawDatabase() {
    for (rocksdb::ColumnFamilyHandle* handle : handles_) {
      Check(db_->DestroyColumnFamilyHandle(handle));
    }
  }

  void Put(const std::string& family, const std::string& key, const std::string& value) {
    Check(db_->Put({}, Handle(family), key, value));
  }
  void CreateFamily(const std::string& name) {
    rocksdb::ColumnFamilyHandle* handle = nullptr;
    Check(db_->CreateColumnFamily({}, name, &handle));
    handles_.push_back(handle);
  }
  void DropFamily(const std::string& name) { Check(db_->DropColumnFamily(Handle(name))); }
  void Flush(const std::string& family) { Check(db_->Flush({}, Handle(family))); }
  void Delete(const std::string& family, const std::string& key) {
    Check(db_->Delete({}, Handle(family), key));
  }
  std::string Get(const std::string& family, const std::string& key) {
    std::string value;
    Check(db_->Get({}, Handle(family), key, &value));
    return value;
  }

  std::vector<std::string> Keys(const std::string& family, const std::string& prefix) {
    std::vector<std::string> keys;
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator({}, Handle(family)));
    for (it->Seek(prefix); it->Valid() && it->key().starts_with(prefix); it->Next()) {
      keys.push_back(it->key().ToString());
    }
    Check(it->status());
    return keys;
  }

 private:
  static void Check(const rocksdb::Status& status) {
    EXPECT_TRUE(status.ok()) << status.ToString();
  }
  rocksdb::ColumnFamilyHandle* Handle(const std::string& family) {
    for (rocksdb::ColumnFamilyHandle* handle : handles_) {
      if (handle->GetName() == family) return handle;
    }
    throw std::runtime_error("there is no column family " + family);
  }

  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

// A test with an open store in a folder of its own. A death test's child process, which starts the
// same test anew, gets its parent's folder and opens nothing there by itself.
class StoreTestBase : public ::testing::Test {
 protected:
  StoreTestBase() {
    GTEST_FLAG_SET(death_test_style, "threadsafe");  // RocksDB has threads, so: fork and exec
    if (const char* const parents = std::getenv(kFolderVariable); parents != nullptr) {
      folder_ = parents;
      path_ = folder_ / "store";
      return;
    }
    std::string folder = ::testing::TempDir() + "homolog_store_XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error("no temporary folder");
    folder_ = folder;
    setenv(kFolderVariable, folder.c_str(), /*overwrite=*/1);
    path_ = folder_ / "store";
    Reopen();
  }
  ~StoreTestBase() override {
    store_.reset();
    unsetenv(kFolderVariable);
    std::filesystem::remove_all(folder_);
  }

  void Close() { store_.reset(); }
  void Reopen() {
    store_.reset();
    store_ = ValueOf(Store::Open(path_));
  }
  std::vector<std::string> CorrelationIds() {
    return Ids(ValueOf(store_->ListResults("correlations", 1000, "")));
  }
  // Closes the store and runs `look` on its raw database; reopen before using store_ again.
  template <typename Look>
  auto Raw(Look look) {
    Close();
    RawDatabase database(path_);
    return look(database);
  }

  static constexpr char kFolderVariable[] = "HOMOLOG_STORE_TEST_FOLDER";
  std::filesystem::path folder_;
  std::string path_;
  std::unique_ptr<Store> store_;
};

}  // namespace homolog::store

#endif  // HOMOLOG_TESTS_UNIT_SERVER_STORE_STORE_TESTING_H_
