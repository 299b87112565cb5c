// Digests, eviction, verification, what is in the store.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "common/error.h"
#include "server/store/dataset_upload.h"
#include "store_testing.h"

namespace homolog::store {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kKind[] = "correlations";

class CareTest : public StoreTestBase {
 protected:
  void OpenWith(StoreOptions options) {
    Close();
    options.observer = [this](const StoreEvent& event) { events_.push_back(event); };
    store_ = ValueOf(Store::Open(path_, options));
  }
  void Put(const std::string& id, size_t bytes = 1000) {
    ASSERT_TRUE(store_->PutResult(kKind, id, "manifest", {{"x", std::string(bytes, 'x')}}).ok());
  }
  // Replaces the value of `key` by what `change` makes of it, past the store.
  template <typename Change>
  void Tamper(const std::string& family, const std::string& key, Change change) {
    Raw([&](RawDatabase& raw) { raw.Put(family, key, change(raw.Get(family, key))); });
  }
  // All pages of a verification.
  VerifiedPage VerifyAll() {
    VerifiedPage all;
    std::string token;
    do {
      VerifiedPage page = ValueOf(store_->Verify(token));
      all.checked_count += page.checked_count;
      all.checked_bytes += page.checked_bytes;
      all.damaged.insert(all.damaged.end(), page.damaged.begin(), page.damaged.end());
      token = page.next_page_token;
    } while (!token.empty());
    return all;
  }
  std::vector<StoreEvent> events_;
};

std::string Flipped(std::string value) {
  value[value.size() / 2] ^= 0x01;
  return value;
}

TEST_F(CareTest, ServesNoColumnWithAFlippedBitAndDropsItsResult) {
  Put("a");
  Put("b");
  Tamper("blobs", "correlations/a/x/sealed/00000000", Flipped);
  OpenWith({});
  const absl::Status damaged = store_->GetBlob(kKind, "a", "x").status();
  EXPECT_EQ(damaged.code(), absl::StatusCode::kDataLoss) << damaged;
  EXPECT_EQ(ErrorReason(damaged), "RESULT_DAMAGED");
  EXPECT_THAT(CorrelationIds(), ElementsAre("b"));
  ASSERT_THAT(events_, SizeIs(1));
  EXPECT_EQ(events_[0].kind, StoreEvent::Kind::kDamaged);
  EXPECT_EQ(events_[0].name, "correlations/a");
  EXPECT_EQ(ValueOf(store_->Stats()).damaged_results, 1);
  EXPECT_THAT(Raw([](RawDatabase& raw) { return raw.Keys("blobs", "correlations/a/"); }),
              IsEmpty());
}

TEST_F(CareTest, ServesNoManifestWithAFlippedBitNorListsIt) {
  Put("a");
  Put("b");
  Tamper("results", "correlations/a", Flipped);
  Tamper("results", "correlations/b", Flipped);
  Reopen();
  EXPECT_EQ(ErrorReason(store_->GetResult(kKind, "a").status()), "RESULT_DAMAGED");
  EXPECT_EQ(ErrorReason(store_->GetResult(kKind, "a").status()), "RESULT_NOT_FOUND");
  EXPECT_THAT(CorrelationIds(), IsEmpty());
}

TEST_F(CareTest, ServesNoPieceOfAnotherKey) {
  Put("a", 3 << 20);
  std::string second;
  Raw([&](RawDatabase& raw) {
    raw.Put("blobs", "correlations/a/x/sealed/00000000",
            raw.Get("blobs", "correlations/a/x/sealed/00000001"));
  });
  Reopen();
  EXPECT_EQ(ErrorReason(store_->ReadBlob(kKind, "a", "x", 0, 10).status()), "RESULT_DAMAGED");
}

TEST_F(CareTest, ReadsNoTokensWithAFlippedBit) {
  DatasetUpload upload(store_.get());
  ASSERT_TRUE(upload.Append(std::vector<int32_t>(1000, 5)).ok());
  ASSERT_TRUE(upload.Commit("set", "key", "manifest").ok());
  const std::string chunk =
      Raw([](RawDatabase& raw) { return raw.Keys("datasets", "tokens/").at(0); });
  Tamper("datasets", chunk, Flipped);
  Reopen();
  EXPECT_EQ(store_->ReadTokens("set", 0, 10).status().code(), absl::StatusCode::kDataLoss);
  const VerifiedPage page = VerifyAll();
  ASSERT_THAT(page.damaged, SizeIs(1));
  EXPECT_EQ(page.damaged[0].name, "datasets/set");
  EXPECT_FALSE(page.damaged[0].dropped);
  EXPECT_TRUE(store_->GetDataset("set").ok());
}

TEST_F(CareTest, VerifiesEveryByteAndDropsWhatIsDamaged) {
  for (int i = 0; i < 5; ++i) Put(std::string(1, static_cast<char>('a' + i)), 2 << 20);
  Tamper("blobs", "correlations/b/x/sealed/00000001", Flipped);
  Raw([](RawDatabase& raw) { raw.Delete("blobs", "correlations/d/x/sealed/00000001"); });
  Reopen();
  const VerifiedPage page = VerifyAll();
  EXPECT_EQ(page.checked_count, 5);
  EXPECT_GT(page.checked_bytes, 7 << 20);
  ASSERT_THAT(page.damaged, SizeIs(2));
  EXPECT_EQ(page.damaged[0].name, "correlations/b");
  EXPECT_TRUE(page.damaged[0].dropped);
  EXPECT_EQ(page.damaged[1].name, "correlations/d");
  EXPECT_THAT(CorrelationIds(), ElementsAre("a", "c", "e"));
  EXPECT_THAT(VerifyAll().damaged, IsEmpty());
}

TEST_F(CareTest, VerifiesInPagesThatGoOnWhereTheLastOneEnded) {
  for (int i = 0; i < 2500; ++i) Put("r" + std::to_string(10'000 + i), 1);
  int pages = 0;
  int64_t checked = 0;
  std::string token;
  do {
    const VerifiedPage page = ValueOf(store_->Verify(token));
    EXPECT_LE(page.checked_count, 1000);
    checked += page.checked_count;
    token = page.next_page_token;
    ++pages;
  } while (!token.empty());
  EXPECT_EQ(checked, 2500);
  EXPECT_EQ(pages, 3);
  EXPECT_EQ(ErrorReason(store_->Verify("nonsense").status()), "INVALID_PAGE_TOKEN");
}

TEST_F(CareTest, EvictsTheLeastRecentlyUsedBeyondTheBudget) {
  OpenWith({.result_budget_bytes = 10'000, .observer = {}, .env = nullptr});
  for (const char* id : {"a", "b", "c", "d"}) Put(id, 2400);
  EXPECT_THAT(CorrelationIds(), ElementsAre("a", "b", "c", "d"));
  ASSERT_TRUE(store_->GetResult(kKind, "a").ok());
  Put("e", 2400);
  EXPECT_THAT(CorrelationIds(), ElementsAre("a", "c", "d", "e"));
  EXPECT_EQ(ErrorReason(store_->GetResult(kKind, "b").status()), "RESULT_NOT_FOUND");
  const StoreStats stats = ValueOf(store_->Stats());
  EXPECT_EQ(stats.evicted_results, 1);
  EXPECT_LE(stats.result_bytes, 10'000);
  EXPECT_EQ(stats.result_budget_bytes, 10'000);
  ASSERT_THAT(events_, SizeIs(1));
  EXPECT_EQ(events_[0].kind, StoreEvent::Kind::kEvicted);
}

TEST_F(CareTest, RemembersAcrossARestartWhatWasUsedLast) {
  Put("a", 2400);
  Put("b", 2400);
  Raw([](RawDatabase& raw) {  // a was used later than b
    raw.Put("meta", "used/correlations/a", "2000");
    raw.Put("meta", "used/correlations/b", "1000");
  });
  OpenWith({.result_budget_bytes = 6000, .observer = {}, .env = nullptr});
  Put("c", 2400);
  EXPECT_THAT(CorrelationIds(), ElementsAre("a", "c"));
}

TEST_F(CareTest, EvictsNothingThatWasUsedWhileAHoldLives) {
  OpenWith({.result_budget_bytes = 6000, .observer = {}, .env = nullptr});
  Put("before", 2400);
  Put("input", 2400);
  {
    const Store::Hold hold(store_.get());
    ASSERT_TRUE(store_->GetResult(kKind, "input").ok());
    for (const char* id : {"r1", "r2", "r3"}) Put(id, 2400);
    EXPECT_THAT(CorrelationIds(), ElementsAre("input", "r1", "r2", "r3"));
  }
  Put("r4", 2400);
  EXPECT_THAT(CorrelationIds(), ElementsAre("r3", "r4"));
}

TEST_F(CareTest, KeepsTheNewestResultHoweverLarge) {
  OpenWith({.result_budget_bytes = 1000, .observer = {}, .env = nullptr});
  Put("large", 100'000);
  EXPECT_THAT(CorrelationIds(), ElementsAre("large"));
}

TEST_F(CareTest, CountsWhatIsThere) {
  Put("a", 5000);
  ASSERT_TRUE(store_->PutResult("studies", "s", "manifest", {}).ok());
  ASSERT_TRUE(store_->PutOperation("1", "record").ok());
  for (const char* name : {"one", "two"}) {  // the same tokens twice
    DatasetUpload upload(store_.get());
    ASSERT_TRUE(upload.Append(std::vector<int32_t>(1000, 5)).ok());
    ASSERT_TRUE(upload.Commit(name, "key", "manifest").ok());
  }
  Reopen();
  const StoreStats stats = ValueOf(store_->Stats());
  EXPECT_EQ(stats.results.at(kKind).count, 1);
  EXPECT_EQ(stats.results.at(kKind).bytes, 5008);
  EXPECT_EQ(stats.results.at("studies").count, 1);
  EXPECT_EQ(stats.operation_count, 1);
  EXPECT_EQ(stats.dataset_count, 2);
  EXPECT_EQ(stats.dataset_bytes, 4000);
  EXPECT_GT(stats.disk_bytes, 5000);
  EXPECT_GT(stats.free_bytes, 0);
  EXPECT_EQ(stats.schema_version, 3);
}

TEST_F(CareTest, GivesSpaceBackByCompacting) {
  std::string noise(4 << 20, '\0');
  for (size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<char>(i * i * 31 >> 5);
  ASSERT_TRUE(store_->PutResult(kKind, "a", "m", {{"x", noise}}).ok());
  Raw([](RawDatabase& raw) { raw.Flush("blobs"); });
  Reopen();
  ASSERT_TRUE(store_->DeleteResult(kKind, "a").ok());
  const uint64_t before = store_->engine_stats().table_bytes;
  ASSERT_TRUE(store_->Compact().ok());
  EXPECT_LT(store_->engine_stats().table_bytes, before / 2 + 1);
}

}  // namespace
}  // namespace homolog::store
