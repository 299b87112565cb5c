// What the store does when its disk fails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/error.h"
#include "server/store/dataset_upload.h"
#include "store_testing.h"
#include "tests/support/faulty_file_system.h"

namespace homolog::store {
namespace {

using ::homolog::testing::Faults;
using ::homolog::testing::FaultyFileSystem;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr char kKind[] = "correlations";

class FaultsTest : public StoreTestBase {
 protected:
  FaultsTest() { OpenFaulty(); }
  ~FaultsTest() override { store_.reset(); }  // before the disk under it

  void OpenFaulty() {
    Close();
    StoreOptions options;
    options.env = env_.get();
    options.observer = [this](const StoreEvent& event) {
      const std::lock_guard lock(mutex_);
      events_.push_back(event.kind);
    };
    store_ = ValueOf(Store::Open(path_, options));
  }
  std::vector<StoreEvent::Kind> Events() {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  absl::Status Put(const std::string& id) {
    return store_->PutResult(kKind, id, "manifest of " + id, {{"x", std::string(3000, id[0])}});
  }
  void ExpectIntact(const std::string& id) {
    EXPECT_EQ(ValueOf(store_->GetResult(kKind, id)), "manifest of " + id);
    EXPECT_EQ(ValueOf(store_->GetBlob(kKind, id, "x")), std::string(3000, id[0]));
  }
  // Whether writes are taken again, some time after the cause is gone.
  bool WritesAgain() {
    for (int i = 0; i < 100; ++i) {
      store_->Maintain();
      if (!store_->read_only_reason()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return false;
  }
  // Fails writes by `fault`, and checks what is served meanwhile and after.
  void ExpectReadOnlyWhile(std::atomic<bool>& fault) {
    ASSERT_TRUE(Put("before").ok());
    fault = true;
    const absl::Status refused = Put("during");
    EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable) << refused;
    EXPECT_EQ(ErrorReason(refused), "STORE_READ_ONLY");
    EXPECT_EQ(ErrorReason(store_->PutOperation("1", "record")), "STORE_READ_ONLY");
    EXPECT_TRUE(store_->read_only_reason().has_value());
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    EXPECT_EQ(ErrorReason(Put("during")), "STORE_READ_ONLY");  // looked again, and still not
    ExpectIntact("before");
    fault = false;
    ASSERT_TRUE(WritesAgain()) << *store_->read_only_reason();
    ExpectIntact("before");
    ASSERT_TRUE(Put("after").ok());
    ExpectIntact("after");
    EXPECT_THAT(Events(),
                ::testing::ElementsAre(StoreEvent::Kind::kReadOnly, StoreEvent::Kind::kServing));
    Reopen();
    ExpectIntact("before");
    ExpectIntact("after");
    EXPECT_EQ(ErrorReason(store_->GetOperation("1").status()), "OPERATION_NOT_FOUND");
  }

  Faults faults_;
  std::unique_ptr<rocksdb::Env> env_ =
      rocksdb::NewCompositeEnv(std::make_shared<FaultyFileSystem>(&faults_));
  std::mutex mutex_;
  std::vector<StoreEvent::Kind> events_;
};

TEST_F(FaultsTest, ServesReadsWhileTheDiskIsFullAndWritesAgainAfterwards) {
  ExpectReadOnlyWhile(faults_.disk_full);
}

TEST_F(FaultsTest, ServesReadsWhileTheDiskIsReadOnlyAndWritesAgainAfterwards) {
  ExpectReadOnlyWhile(faults_.read_only);
}

TEST_F(FaultsTest, AcknowledgesNothingThatWasNotSynced) { ExpectReadOnlyWhile(faults_.sync_fails); }

TEST_F(FaultsTest, LosesNothingThatWasAcknowledgedBeforeATornWrite) {
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Put("r" + std::to_string(i)).ok());
  faults_.disk_full = true;
  EXPECT_FALSE(Put("torn").ok());
  Close();  // as it is
  faults_.disk_full = false;
  Reopen();
  for (int i = 0; i < 50; ++i) ExpectIntact("r" + std::to_string(i));
}

TEST_F(FaultsTest, FailsAnUploadThatMetAFullDiskAndTakesTheNextOne) {
  {
    DatasetUpload upload(store_.get());
    const std::vector<int32_t> tokens(600'000, 7);
    faults_.disk_full = true;
    EXPECT_EQ(ErrorReason(upload.Append(tokens)), "STORE_READ_ONLY");
    EXPECT_FALSE(upload.Commit("set", "key", "manifest").ok());
  }
  faults_.disk_full = false;
  ASSERT_TRUE(WritesAgain());
  DatasetUpload upload(store_.get());
  ASSERT_TRUE(upload.Append(std::vector<int32_t>(600'000, 7)).ok());
  ASSERT_TRUE(upload.Commit("set", "key", "manifest").ok());
  EXPECT_EQ(ValueOf(store_->ReadTokens("set", 599'999, 1)), std::vector<int32_t>{7});
}

TEST_F(FaultsTest, GivesTheSpaceOfAFailedUploadBackWithoutARestart) {
  const std::vector<int32_t> tokens(600'000, 7);
  {
    DatasetUpload upload(store_.get());
    ASSERT_TRUE(upload.Append(tokens).ok());
    faults_.disk_full = true;
    EXPECT_FALSE(upload.Append(tokens).ok());
  }
  faults_.disk_full = false;
  ASSERT_TRUE(WritesAgain());
  store_->Maintain();
  Raw([](RawDatabase& raw) { EXPECT_THAT(raw.Keys("datasets", ""), ::testing::IsEmpty()); });
}

TEST_F(FaultsTest, KeepsAnUploadWhoseCommitFailedOnlyWhereItTookPlace) {
  {
    DatasetUpload upload(store_.get());
    ASSERT_TRUE(upload.Append(std::vector<int32_t>(600'000, 7)).ok());
    faults_.sync_fails = true;
    EXPECT_EQ(ErrorReason(upload.Commit("set", "key", "manifest")), "STORE_READ_ONLY");
  }
  faults_.sync_fails = false;
  ASSERT_TRUE(WritesAgain());
  store_->Maintain();
  if (const auto tokens = store_->ReadTokens("set", 599'999, 1); tokens.ok()) {
    EXPECT_EQ(*tokens, std::vector<int32_t>{7});
  } else {
    EXPECT_EQ(ErrorReason(tokens.status()), "DATASET_NOT_FOUND") << tokens.status();
    Raw([](RawDatabase& raw) { EXPECT_THAT(raw.Keys("datasets", ""), ::testing::IsEmpty()); });
  }
}

TEST_F(FaultsTest, RefusesALargeWriteThatWouldFillTheDiskAndGoesOnWithSmallOnes) {
  faults_.free_bytes = int64_t{65} << 20;
  const std::string large(int64_t{2} << 20, 'x');
  const absl::Status refused = store_->PutResult(kKind, "large", "m", {{"x", large}});
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  EXPECT_EQ(ErrorReason(refused), "STORE_FULL");
  EXPECT_THAT(refused.ToString(), HasSubstr("has 65 MiB left"));
  EXPECT_FALSE(store_->read_only_reason().has_value());
  ASSERT_TRUE(Put("small").ok());
  ExpectIntact("small");
  faults_.free_bytes = -1;
  EXPECT_TRUE(store_->PutResult(kKind, "large", "m", {{"x", large}}).ok());
}

TEST_F(FaultsTest, CountsAResultWhoseWriteFailedWhereItTookPlace) {
  ASSERT_TRUE(Put("before").ok());
  faults_.sync_fails = true;
  EXPECT_FALSE(Put("during").ok());
  faults_.sync_fails = false;
  ASSERT_TRUE(WritesAgain());
  store_->Maintain();
  const size_t listed = ValueOf(store_->ListResults(kKind, 10, "")).records.size();
  EXPECT_EQ(ValueOf(store_->Stats()).results.at(kKind).count, static_cast<int64_t>(listed));
}

TEST_F(FaultsTest, GoesOnOnlyOnceTheDiskHasSpaceForWhatTheLogHolds) {
  ASSERT_TRUE(Put("before").ok());
  faults_.disk_full = true;
  EXPECT_FALSE(Put("during").ok());
  faults_.disk_full = false;
  faults_.free_bytes = int64_t{10} << 20;
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  store_->Maintain();
  EXPECT_TRUE(store_->read_only_reason().has_value());
  ExpectIntact("before");
  faults_.free_bytes = -1;
  ASSERT_TRUE(WritesAgain());
  ExpectIntact("before");
}

TEST_F(FaultsTest, ReadsOnWhereItCannotBeOpenedAnew) {
  ASSERT_TRUE(Put("before").ok());
  faults_.sync_fails = true;  // final: the store must be opened anew
  EXPECT_FALSE(Put("during").ok());
  faults_.sync_fails = false;
  faults_.no_manifest = true;
  for (int i = 0; i < 2; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    store_->Maintain();
    EXPECT_TRUE(store_->read_only_reason().has_value());
    ExpectIntact("before");
    // Another server must not write behind its back.
    EXPECT_EQ(ErrorReason(Store::Open(path_).status()), "STORE_LOCKED");
  }
  faults_.no_manifest = false;
  ASSERT_TRUE(WritesAgain()) << *store_->read_only_reason();
  ExpectIntact("before");
  ASSERT_TRUE(Put("after").ok());
  ExpectIntact("after");
}

TEST_F(FaultsTest, DropsAResultWhoseTableHasAFlippedBit) {
  ASSERT_TRUE(Put("a").ok());
  Raw([](RawDatabase& raw) { raw.Flush("blobs"); });
  OpenFaulty();
  faults_.flipped_bits = true;
  const absl::Status damaged = store_->GetBlob(kKind, "a", "x").status();
  faults_.flipped_bits = false;
  EXPECT_EQ(damaged.code(), absl::StatusCode::kDataLoss) << damaged;
  EXPECT_EQ(ErrorReason(damaged), "RESULT_DAMAGED");
  EXPECT_THAT(damaged.ToString(), HasSubstr("correlations/a"));
  EXPECT_EQ(ErrorReason(store_->GetResult(kKind, "a").status()), "RESULT_NOT_FOUND");
  EXPECT_THAT(Events(), Contains(StoreEvent::Kind::kDamaged));
  ASSERT_TRUE(Put("a").ok());
  ExpectIntact("a");
}

TEST_F(FaultsTest, DropsAResultThatIsReadShort) {
  ASSERT_TRUE(Put("a").ok());
  Raw([](RawDatabase& raw) { raw.Flush("blobs"); });
  OpenFaulty();
  faults_.short_reads = true;
  const absl::Status damaged = store_->GetBlob(kKind, "a", "x").status();
  faults_.short_reads = false;
  EXPECT_EQ(ErrorReason(damaged), "RESULT_DAMAGED") << damaged;
}

TEST_F(FaultsTest, TakesNoWritesIntoAFolderThatIsGone) {
  ASSERT_TRUE(Put("a").ok());
  std::filesystem::rename(path_, path_ + ".away");
  EXPECT_EQ(ErrorReason(Put("b")), "STORE_READ_ONLY");
  ExpectIntact("a");
  std::filesystem::create_directories(path_);
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  EXPECT_EQ(ErrorReason(Put("b")), "STORE_READ_ONLY") << "an empty folder is another store";
  std::filesystem::remove(path_);
  std::filesystem::rename(path_ + ".away", path_);
  ASSERT_TRUE(WritesAgain());
  ASSERT_TRUE(Put("b").ok());
  Reopen();
  ExpectIntact("a");
  ExpectIntact("b");
}

}  // namespace
}  // namespace homolog::store
