#include "server/store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/error.h"
#include "store_testing.h"

namespace homolog::store {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr char kKind[] = "correlations";

void WriteFile(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

class StoreTest : public StoreTestBase {
 protected:
  void PutResults(const std::string& kind, const std::vector<std::string>& ids) {
    for (const std::string& id : ids) {
      ASSERT_TRUE(store_->PutResult(kind, id, "manifest of " + id, {}).ok());
    }
  }
  // Overwrites every table file from `offset` bytes on.
  void DamageTables() {
    int tables = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      if (entry.path().extension() != ".sst") continue;
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(8);
      file << std::string(64, '\x5A');
      ++tables;
    }
    ASSERT_GT(tables, 0);
  }
};

TEST_F(StoreTest, KeepsEverythingAcrossARestart) {
  const std::string binary("\0\n/\xFF", 4);
  ASSERT_TRUE(store_->PutResult(kKind, "a1", "manifest", {{"x", binary}, {"y", ""}}).ok());
  ASSERT_TRUE(store_->PutOperation("op-1", binary).ok());
  ASSERT_TRUE(store_->PutMeta("instance", "homolog-1").ok());
  Reopen();
  EXPECT_EQ(ValueOf(store_->GetResult(kKind, "a1")), "manifest");
  EXPECT_EQ(ValueOf(store_->GetBlob(kKind, "a1", "x")), binary);
  EXPECT_EQ(ValueOf(store_->GetBlob(kKind, "a1", "y")), "");
  EXPECT_EQ(ValueOf(store_->GetOperation("op-1")), binary);
  EXPECT_EQ(ValueOf(store_->GetMeta("instance")), "homolog-1");
}

TEST_F(StoreTest, KeepsAResultOfAServerThatWasKilled) {
  Close();
  const auto put_and_die = [this] {
    const auto store = ValueOf(Store::Open(path_));
    if (store->PutResult(kKind, "killed", "manifest", {{"x", "bytes"}}).ok()) std::raise(SIGKILL);
  };
  EXPECT_EXIT(put_and_die(), ::testing::KilledBySignal(SIGKILL), "");
  Reopen();
  EXPECT_EQ(ValueOf(store_->GetResult(kKind, "killed")), "manifest");
  EXPECT_EQ(ValueOf(store_->GetBlob(kKind, "killed", "x")), "bytes");
}

TEST_F(StoreTest, SaysWhatIsNotThere) {
  ASSERT_TRUE(store_->PutResult(kKind, "a", "m", {{"x", "1"}}).ok());
  const std::vector<std::pair<absl::Status, std::string>> cases = {
      {store_->GetResult(kKind, "b").status(), "RESULT_NOT_FOUND"},
      {store_->GetResult("ablations", "a").status(), "RESULT_NOT_FOUND"},
      {store_->GetBlob(kKind, "a", "y").status(), "BLOB_NOT_FOUND"},
      {store_->GetBlob(kKind, "b", "x").status(), "BLOB_NOT_FOUND"},
      {store_->DeleteResult(kKind, "b"), "RESULT_NOT_FOUND"},
      {store_->GetOperation("b").status(), "OPERATION_NOT_FOUND"},
      {store_->DeleteOperation("b"), "OPERATION_NOT_FOUND"},
      {store_->GetMeta("b").status(), "META_NOT_FOUND"}};
  for (const auto& [status, reason] : cases) {
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
    EXPECT_EQ(ErrorReason(status), reason) << status;
    EXPECT_THAT(status.ToString(),
                testing::AnyOf(HasSubstr("\"b\""), HasSubstr("\"y\""), HasSubstr("\"ablations\"")));
  }
}

TEST_F(StoreTest, RefusesNamesThatCouldReachAnotherKey) {
  for (const std::string name : {"", "a/b", "..", "a\nb", "a b"}) {
    const std::vector<absl::Status> refused = {
        store_->PutResult(name, "a", "", {}), store_->PutResult(kKind, name, "", {}),
        store_->PutResult(kKind, "a", "", {{name, ""}}), store_->PutOperation(name, "")};
    for (const absl::Status& status : refused) {
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
      EXPECT_EQ(ErrorReason(status), "INVALID_RESOURCE_ID") << name;
    }
  }
  EXPECT_EQ(store_->GetResult(kKind, "a").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(StoreTest, ReplacesAResultWithAllItsBlobs) {
  ASSERT_TRUE(store_->PutResult(kKind, "a", "old", {{"x", "old x"}, {"y", "old y"}}).ok());
  ASSERT_TRUE(store_->PutResult(kKind, "a.b", "neighbour", {{"y", "its y"}}).ok());
  ASSERT_TRUE(store_->PutResult(kKind, "a", "new", {{"x", "new x"}}).ok());
  EXPECT_EQ(ValueOf(store_->GetResult(kKind, "a")), "new");
  EXPECT_EQ(ValueOf(store_->GetBlob(kKind, "a", "x")), "new x");
  EXPECT_EQ(ErrorReason(store_->GetBlob(kKind, "a", "y").status()), "BLOB_NOT_FOUND");
  EXPECT_EQ(ValueOf(store_->GetBlob(kKind, "a.b", "y")), "its y");
}

TEST_F(StoreTest, DeletesAResultWithItsBlobsAndNothingElse) {
  for (const std::string id : {"a", "a-b", "a0", "b"}) {
    ASSERT_TRUE(store_->PutResult(kKind, id, "m", {{"x", "1"}}).ok());
  }
  ASSERT_TRUE(store_->DeleteResult(kKind, "a").ok());
  EXPECT_EQ(ErrorReason(store_->GetResult(kKind, "a").status()), "RESULT_NOT_FOUND");
  const auto blobs = Raw([](RawDatabase& raw) { return raw.Keys("blobs", ""); });
  EXPECT_THAT(blobs, SizeIs(6));  // size and piece of each
  EXPECT_THAT(blobs, Each(::testing::Not(StartsWith("correlations/a/"))));
}

// Larger than 3 pieces of 1 MiB, and no two pieces alike.
std::string LargeBlob() {
  std::string bytes;
  for (int i = 0; bytes.size() < (3 << 20) + 17; ++i) bytes += std::to_string(i) + " ";
  return bytes;
}

TEST_F(StoreTest, GivesBackAnyRangeOfABlobOfAnySize) {
  const std::string large = LargeBlob();
  constexpr int64_t kMiB = 1 << 20;
  ASSERT_TRUE(store_->PutResult(kKind, "a", "m", {{"large", large}, {"small", "0123"}}).ok());
  Reopen();
  const auto size = static_cast<int64_t>(large.size());
  EXPECT_EQ(ValueOf(store_->GetBlobSize(kKind, "a", "large")), size);
  EXPECT_EQ(ValueOf(store_->GetBlob(kKind, "a", "large")), large);
  for (const auto& [offset, count] :
       std::vector<std::pair<int64_t, int64_t>>{{0, 1},
                                                {0, size},
                                                {kMiB - 1, 1},
                                                {kMiB, 1},
                                                {kMiB - 2, 2 * kMiB},
                                                {size, 0},
                                                {size - 5, 5},
                                                {2 * kMiB + 7, 100}}) {
    EXPECT_EQ(ValueOf(store_->ReadBlob(kKind, "a", "large", offset, count)),
              large.substr(offset, count))
        << offset << " " << count;
  }
  EXPECT_EQ(ValueOf(store_->GetBlobSize(kKind, "a", "small")), 4);
  EXPECT_EQ(ValueOf(store_->ReadBlob(kKind, "a", "small", 1, 2)), "12");
}

TEST_F(StoreTest, RefusesBytesBeyondABlobsEnd) {
  ASSERT_TRUE(store_->PutResult(kKind, "a", "m", {{"large", LargeBlob()}, {"small", "0123"}}).ok());
  for (const std::string blob : {"large", "small"}) {
    const int64_t size = ValueOf(store_->GetBlobSize(kKind, "a", blob));
    for (const auto& [offset, count] : std::vector<std::pair<int64_t, int64_t>>{
             {0, size + 1}, {size, 1}, {-1, 1}, {1, -1}, {size + 1, 0}, {1, int64_t{1} << 62}}) {
      EXPECT_EQ(ErrorReason(store_->ReadBlob(kKind, "a", blob, offset, count).status()),
                "BLOB_OUT_OF_RANGE")
          << blob << " " << offset << " " << count;
    }
  }
  EXPECT_EQ(ErrorReason(store_->ReadBlob(kKind, "a", "none", 0, 0).status()), "BLOB_NOT_FOUND");
  EXPECT_EQ(ErrorReason(store_->GetBlobSize(kKind, "a", "none").status()), "BLOB_NOT_FOUND");
}

TEST_F(StoreTest, ReplacesAndDeletesLargeBlobsWhole) {
  ASSERT_TRUE(store_->PutResult(kKind, "a", "m", {{"x", LargeBlob()}}).ok());
  ASSERT_TRUE(store_->PutResult(kKind, "a", "m", {{"x", "small"}}).ok());
  EXPECT_EQ(ValueOf(store_->GetBlob(kKind, "a", "x")), "small");
  ASSERT_TRUE(store_->PutResult(kKind, "a", "m", {{"x", LargeBlob()}}).ok());
  EXPECT_EQ(ValueOf(store_->GetBlob(kKind, "a", "x")), LargeBlob());
  ASSERT_TRUE(store_->DeleteResult(kKind, "a").ok());
  EXPECT_TRUE(Raw([](RawDatabase& raw) { return raw.Keys("blobs", ""); }).empty());
}

TEST_F(StoreTest, ListsInTheOrderOfIdsPageByPage) {
  PutResults(kKind, {"c", "a", "e", "b", "d"});
  PutResults("correlation", {"x"});
  PutResults("correlations.more", {"y"});
  std::string token;
  std::vector<std::vector<std::string>> pages;
  do {
    const Page page = ValueOf(store_->ListResults(kKind, 2, token));
    for (const Record& record : page.records) EXPECT_EQ(record.bytes, "manifest of " + record.id);
    pages.push_back(Ids(page));
    token = page.next_page_token;
  } while (!token.empty() && pages.size() < 9);
  EXPECT_THAT(pages, ElementsAre(ElementsAre("a", "b"), ElementsAre("c", "d"), ElementsAre("e")));
}

TEST_F(StoreTest, GivesNoTokenWhereTheLastPageIsFull) {
  PutResults(kKind, {"a", "b"});
  PutResults("studies", {"z"});
  const Page page = ValueOf(store_->ListResults(kKind, 2, ""));
  EXPECT_THAT(Ids(page), ElementsAre("a", "b"));
  EXPECT_EQ(page.next_page_token, "");
}

TEST_F(StoreTest, ListsNothingWhereNothingIs) {
  const Page page = ValueOf(store_->ListResults(kKind, 10, ""));
  EXPECT_THAT(page.records, IsEmpty());
  EXPECT_EQ(page.next_page_token, "");
  EXPECT_THAT(ValueOf(store_->ListOperations(10, "")).records, IsEmpty());
}

TEST_F(StoreTest, ContinuesAPageWhoseLastRecordWasDeleted) {
  PutResults(kKind, {"a", "b", "c"});
  const std::string token = ValueOf(store_->ListResults(kKind, 2, "")).next_page_token;
  ASSERT_TRUE(store_->DeleteResult(kKind, "b").ok());
  Reopen();
  EXPECT_THAT(Ids(ValueOf(store_->ListResults(kKind, 2, token))), ElementsAre("c"));
}

TEST_F(StoreTest, RefusesAPageTokenItDidNotGive) {
  PutResults(kKind, {"a", "b"});
  PutResults("studies", {"a", "b"});
  ASSERT_TRUE(store_->PutOperation("a", "").ok());
  const std::string token = ValueOf(store_->ListResults(kKind, 1, "")).next_page_token;
  ASSERT_NE(token, "");
  const std::vector<absl::Status> refused = {
      store_->ListResults("studies", 1, token).status(),
      store_->ListOperations(1, token).status(),
      store_->ListDatasets(1, token).status(),
      store_->ListResults(kKind, 1, "a").status(),
      store_->ListResults(kKind, 1, "!\n\xFF").status(),
      store_->ListResults(kKind, 1, token + "A").status(),
      store_->ListResults(kKind, 1, token.substr(1)).status()};
  for (const absl::Status& status : refused) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(ErrorReason(status), "INVALID_PAGE_TOKEN") << status;
  }
  EXPECT_TRUE(store_->ListResults(kKind, 1, token).ok());
}

TEST_F(StoreTest, RefusesAPageOfNoSize) {
  for (const int size : {0, -1}) {
    EXPECT_EQ(ErrorReason(store_->ListResults(kKind, size, "").status()), "INVALID_PAGE_SIZE");
  }
}

TEST_F(StoreTest, KeepsAndDeletesOperations) {
  ASSERT_TRUE(store_->PutOperation("b", "queued").ok());
  ASSERT_TRUE(store_->PutOperation("a", "queued").ok());
  ASSERT_TRUE(store_->PutOperation("b", "running").ok());
  EXPECT_EQ(ValueOf(store_->GetOperation("b")), "running");
  const Page first = ValueOf(store_->ListOperations(1, ""));
  EXPECT_THAT(Ids(first), ElementsAre("a"));
  EXPECT_THAT(Ids(ValueOf(store_->ListOperations(1, first.next_page_token))), ElementsAre("b"));
  ASSERT_TRUE(store_->DeleteOperation("b").ok());
  Reopen();
  EXPECT_THAT(Ids(ValueOf(store_->ListOperations(5, ""))), ElementsAre("a"));
}

TEST_F(StoreTest, KeepsItsSchemaVersionToItself) {
  EXPECT_EQ(ValueOf(store_->GetMeta("schema_version")), "3");
  const absl::Status status = store_->PutMeta("schema_version", "7");
  EXPECT_EQ(ErrorReason(status), "RESERVED_META_KEY");
  EXPECT_EQ(ValueOf(store_->GetMeta("schema_version")), "3");
}

TEST_F(StoreTest, RefusesAStoreOfANewerServerAndLeavesItAsItIs) {
  Raw([](RawDatabase& raw) {
    raw.Put("meta", "schema_version", "4");
    raw.DropFamily("blobs");
  });
  const absl::Status status = Store::Open(path_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(status), "STORE_TOO_NEW");
  EXPECT_THAT(status.ToString(), HasSubstr("schema version 4"));
  EXPECT_THAT(status.ToString(), HasSubstr("up to 3"));
  EXPECT_THAT(status.ToString(), HasSubstr(path_));
  Raw([](RawDatabase& raw) {
    EXPECT_EQ(raw.Get("meta", "schema_version"), "4");
    EXPECT_THROW(raw.Keys("blobs", ""), std::runtime_error);
  });
}

TEST_F(StoreTest, SaysThatASchemaVersionIsDamaged) {
  Raw([](RawDatabase& raw) { raw.Put("meta", "schema_version", "one"); });
  const absl::Status status = Store::Open(path_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(status.ToString(), HasSubstr("\"one\""));
}

TEST_F(StoreTest, OpensWithColumnFamiliesItDoesNotKnowAndMakesMissingOnes) {
  PutResults(kKind, {"a"});
  Raw([](RawDatabase& raw) {
    raw.CreateFamily("from_another_time");
    raw.Put("from_another_time", "k", "v");
    raw.DropFamily("operations");
  });
  Reopen();
  EXPECT_TRUE(store_->GetResult(kKind, "a").ok());
  EXPECT_TRUE(store_->PutOperation("op", "record").ok());
  Reopen();
  EXPECT_EQ(ValueOf(store_->GetOperation("op")), "record");
  EXPECT_EQ(Raw([](RawDatabase& raw) { return raw.Get("from_another_time", "k"); }), "v");
}

TEST_F(StoreTest, RefusesASecondOpenerInTheSameProcess) {
  const absl::Status status = Store::Open(path_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(status), "STORE_LOCKED");
  EXPECT_THAT(status.ToString(), HasSubstr(path_));
  EXPECT_THAT(status.ToString(), HasSubstr("stop that server"));
  EXPECT_TRUE(store_->PutMeta("still", "usable").ok());
}

TEST_F(StoreTest, RefusesASecondOpenerInAnotherProcess) {
  const auto open = [this] {
    std::cerr << ErrorReason(Store::Open(path_).status()) << std::endl;
    std::_Exit(0);
  };
  EXPECT_EXIT(open(), ::testing::ExitedWithCode(0), "STORE_LOCKED");
}

TEST_F(StoreTest, SaysThatTheFolderIsUnusableWithItsPath) {
  const std::string file = folder_ / "file";
  WriteFile(file, "not a folder");
  for (const std::string& path : {file, file + "/below"}) {
    const absl::Status status = Store::Open(path).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_EQ(ErrorReason(status), "STORE_UNAVAILABLE");
    EXPECT_THAT(status.ToString(), HasSubstr(path));
  }
}

TEST_F(StoreTest, MakesItsFolderWithParents) {
  const std::string path = folder_ / "a" / "b" / "c";
  EXPECT_TRUE(Store::Open(path).ok());
  EXPECT_TRUE(std::filesystem::exists(path + "/CURRENT"));
}

TEST_F(StoreTest, SaysThatTheStoreIsDamagedWhenOpeningIt) {
  Close();
  WriteFile(path_ + "/CURRENT", "nonsense");
  const absl::Status status = Store::Open(path_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_EQ(ErrorReason(status), "STORE_CORRUPT");
  EXPECT_THAT(status.ToString(), HasSubstr(path_));
}

TEST_F(StoreTest, SaysThatTheStoreIsDamagedWhenReadingIt) {
  const std::string blob(5000, 'b');
  ASSERT_TRUE(store_->PutResult(kKind, "a", "manifest", {{"x", blob}}).ok());
  Raw([](RawDatabase& raw) { raw.Flush("blobs"); });
  Reopen();
  ASSERT_TRUE(store_->GetBlob(kKind, "a", "x").ok());
  Close();
  DamageTables();
  absl::StatusOr<std::unique_ptr<Store>> store = Store::Open(path_);
  const absl::Status status =
      store.ok() ? (*store)->GetBlob(kKind, "a", "x").status() : store.status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(ErrorReason(status), AnyOf("STORE_CORRUPT", "RESULT_DAMAGED"));
}

TEST_F(StoreTest, DoesNotTakeAStoreWithoutItsCurrentFileForANewOne) {
  ASSERT_TRUE(store_->PutResult(kKind, "a", "manifest", {}).ok());
  Raw([](RawDatabase& raw) { raw.Flush("results"); });
  const std::filesystem::path current = path_ + "/CURRENT";
  std::filesystem::rename(current, folder_ / "CURRENT");
  const absl::Status status = Store::Open(path_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(status.ToString(), HasSubstr("CURRENT is missing"));
  std::filesystem::rename(folder_ / "CURRENT", current);
  Reopen();
  EXPECT_TRUE(store_->GetResult(kKind, "a").ok());
}

TEST_F(StoreTest, KeepsFewLogFiles) {
  for (int i = 0; i < 8; ++i) Reopen();
  int logs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    logs += entry.path().filename().string().starts_with("LOG") ? 1 : 0;
  }
  EXPECT_LE(logs, 4);
}

TEST_F(StoreTest, TakesWritesFromManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kEach = 20;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < kEach; ++i) {
        const std::string id = std::to_string(t) + "-" + std::to_string(i);
        EXPECT_TRUE(store_->PutResult(kKind, id, id, {{"x", id}}).ok());
        EXPECT_EQ(store_->GetBlob(kKind, id, "x").value_or("nothing"), id);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Reopen();
  EXPECT_THAT(ValueOf(store_->ListResults(kKind, 1000, "")).records, SizeIs(kThreads * kEach));
}

}  // namespace
}  // namespace homolog::store
