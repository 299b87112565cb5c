#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/error.h"
#include "server/store/dataset_upload.h"
#include "server/store/store.h"
#include "store_testing.h"

namespace homolog::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kChunk = 256 * 1024;  // as promised by dataset_upload.h

std::vector<int32_t> Count(int64_t size, int32_t first = 0) {
  std::vector<int32_t> tokens(size);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

absl::Status Upload(Store& store, const std::string& id, const std::vector<int32_t>& tokens,
                    const std::string& manifest = "manifest") {
  DatasetUpload upload(&store);
  if (absl::Status status = upload.Append(tokens); !status.ok()) return status;
  return upload.Commit(id, upload.FinishTokens(), manifest);
}

class DatasetTest : public StoreTestBase {
 protected:
  std::vector<std::string> KeysOf(const std::string& prefix) {
    return Raw([&](RawDatabase& raw) { return raw.Keys("datasets", prefix); });
  }
};

TEST_F(DatasetTest, KeepsTokensAcrossARestart) {
  const std::vector<int32_t> tokens = {0, 1, -1, 2147483647, -2147483647 - 1, 50256};
  ASSERT_TRUE(Upload(*store_, "pile", tokens, "its manifest").ok());
  EXPECT_EQ(ValueOf(store_->ReadTokens("pile", 0, 6)), tokens);
  Reopen();
  EXPECT_EQ(ValueOf(store_->ReadTokens("pile", 0, 6)), tokens);
  EXPECT_EQ(ValueOf(store_->GetDataset("pile")), "its manifest");
}

TEST_F(DatasetTest, KeepsAnyManifest) {
  const std::string manifest("\n\0first\nsecond\n", 15);
  ASSERT_TRUE(Upload(*store_, "pile", {1}, manifest).ok());
  EXPECT_EQ(ValueOf(store_->GetDataset("pile")), manifest);
  EXPECT_EQ(ValueOf(store_->ListDatasets(5, "")).records.at(0).bytes, manifest);
}

TEST_F(DatasetTest, DigestsTheTokensAsLittleEndianBytesHoweverTheyCome) {
  // printf '\x01\x00\x00\x00\x00\x02\x00\x00\xff\xff\xff\xff' | sha256sum
  constexpr char kDigest[] = "0d07f3bb6e6a8109f113b9291349f291351775ecea264dbc0a4b8eaa1f5ed6d2";
  DatasetUpload whole(store_.get());
  ASSERT_TRUE(whole.Append(std::vector<int32_t>{1, 512, -1}).ok());
  EXPECT_EQ(whole.FinishTokens(), kDigest);
  EXPECT_EQ(whole.FinishTokens(), kDigest);
  DatasetUpload pieces(store_.get());
  for (const int32_t token : {1, 512, -1}) {
    ASSERT_TRUE(pieces.Append(std::vector<int32_t>{token}).ok());
  }
  EXPECT_EQ(pieces.token_count(), 3);
  EXPECT_EQ(pieces.FinishTokens(), kDigest);
}

TEST_F(DatasetTest, ReadsAnyRangeAlsoAcrossChunks) {
  const std::vector<int32_t> tokens = Count(2 * kChunk + 100);
  DatasetUpload upload(store_.get());
  for (size_t at = 0; at < tokens.size(); at += 100'003) {  // pieces that cross chunks
    const size_t size = std::min<size_t>(100'003, tokens.size() - at);
    ASSERT_TRUE(upload.Append(std::span(tokens).subspan(at, size)).ok());
  }
  ASSERT_TRUE(upload.Commit("pile", upload.FinishTokens(), "").ok());
  const int64_t size = static_cast<int64_t>(tokens.size());
  const std::vector<std::pair<int64_t, int64_t>> ranges = {{0, size},
                                                           {0, kChunk},
                                                           {kChunk - 1, 2},
                                                           {kChunk, kChunk},
                                                           {kChunk, 1},
                                                           {size - 1, 1},
                                                           {size, 0},
                                                           {0, 0},
                                                           {17, 5},
                                                           {kChunk - 1, 1},
                                                           {2 * kChunk - 3, 103},
                                                           {kChunk - 1, kChunk + 2}};
  for (const auto& [first, count] : ranges) {
    const std::vector<int32_t> expected(tokens.begin() + first, tokens.begin() + first + count);
    EXPECT_TRUE(ValueOf(store_->ReadTokens("pile", first, count)) == expected)
        << first << ", " << count;
  }
  EXPECT_THAT(KeysOf("tokens/"), SizeIs(3));
}

TEST_F(DatasetTest, ReadsOnlyTheChunksItNeeds) {
  ASSERT_TRUE(Upload(*store_, "pile", Count(3 * kChunk)).ok());
  Raw([](RawDatabase& raw) { raw.Put("datasets", raw.Keys("datasets", "tokens/").at(1), "cut"); });
  Reopen();
  EXPECT_EQ(ValueOf(store_->ReadTokens("pile", kChunk - 2, 2)), Count(2, kChunk - 2));
  EXPECT_EQ(ValueOf(store_->ReadTokens("pile", 2 * kChunk, 2)), Count(2, 2 * kChunk));
  const absl::Status damaged = store_->ReadTokens("pile", kChunk, 1).status();
  EXPECT_EQ(damaged.code(), absl::StatusCode::kDataLoss) << damaged;
  EXPECT_THAT(damaged.ToString(), HasSubstr("\"pile\""));
}

TEST_F(DatasetTest, RefusesARangeBeyondTheEnd) {
  ASSERT_TRUE(Upload(*store_, "pile", Count(10)).ok());
  const std::vector<std::pair<int64_t, int64_t>> ranges = {
      {0, 11}, {10, 1}, {11, 0}, {-1, 1}, {0, -1}, {5, INT64_MAX}, {INT64_MAX, INT64_MAX}};
  for (const auto& [first, count] : ranges) {
    const absl::Status status = store_->ReadTokens("pile", first, count).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange) << first << ", " << count;
    EXPECT_EQ(ErrorReason(status), "TOKENS_OUT_OF_RANGE");
    EXPECT_THAT(status.ToString(), HasSubstr("10 tokens"));
  }
}

TEST_F(DatasetTest, KeepsADatasetWithoutTokens) {
  ASSERT_TRUE(Upload(*store_, "empty", {}).ok());
  EXPECT_THAT(ValueOf(store_->ReadTokens("empty", 0, 0)), IsEmpty());
}

TEST_F(DatasetTest, SaysThatADatasetIsNotThere) {
  for (const absl::Status& status :
       {store_->GetDataset("pile").status(), store_->ReadTokens("pile", 0, 0).status(),
        store_->DeleteDataset("pile")}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_EQ(ErrorReason(status), "DATASET_NOT_FOUND");
    EXPECT_THAT(status.ToString(), HasSubstr("\"pile\""));
  }
}

TEST_F(DatasetTest, RefusesAnIdOrContentKeyThatIsNone) {
  DatasetUpload upload(store_.get());
  ASSERT_TRUE(upload.Append(Count(3)).ok());
  EXPECT_EQ(ErrorReason(upload.Commit("a/b", "key", "")), "INVALID_RESOURCE_ID");
  EXPECT_EQ(ErrorReason(upload.Commit("pile", "k\ney", "")), "INVALID_RESOURCE_ID");
  EXPECT_TRUE(upload.Commit("pile", "key", "").ok());
}

TEST_F(DatasetTest, ListsDatasetsPageByPage) {
  for (const std::string id : {"b", "c", "a"}) {
    ASSERT_TRUE(Upload(*store_, id, {1, 2}, "manifest of " + id).ok());
  }
  const Page first = ValueOf(store_->ListDatasets(2, ""));
  ASSERT_THAT(first.records, SizeIs(2));
  EXPECT_EQ(first.records[0].id, "a");
  EXPECT_EQ(first.records[0].bytes, "manifest of a");
  EXPECT_EQ(first.records[1].id, "b");
  const Page second = ValueOf(store_->ListDatasets(2, first.next_page_token));
  ASSERT_THAT(second.records, SizeIs(1));
  EXPECT_EQ(second.records[0].id, "c");
  EXPECT_EQ(second.next_page_token, "");
}

TEST_F(DatasetTest, SharesEqualContentUntilItsLastNameGoes) {
  ASSERT_TRUE(Upload(*store_, "one", Count(kChunk + 5)).ok());
  ASSERT_TRUE(Upload(*store_, "two", Count(kChunk + 5), "another manifest").ok());
  ASSERT_TRUE(Upload(*store_, "other", Count(7)).ok());
  EXPECT_THAT(KeysOf("tokens/"), SizeIs(2 + 1));
  Reopen();
  ASSERT_TRUE(store_->DeleteDataset("one").ok());
  EXPECT_EQ(ErrorReason(store_->GetDataset("one").status()), "DATASET_NOT_FOUND");
  EXPECT_EQ(ValueOf(store_->ReadTokens("two", kChunk, 5)), Count(5, kChunk));
  ASSERT_TRUE(store_->DeleteDataset("two").ok());
  EXPECT_THAT(KeysOf("tokens/"), SizeIs(1));
  EXPECT_THAT(KeysOf("content/"), SizeIs(1));
  Reopen();
  EXPECT_EQ(ValueOf(store_->ReadTokens("other", 0, 7)), Count(7));
}

TEST_F(DatasetTest, TakesTheSameDatasetAgainWithoutASecondCopy) {
  ASSERT_TRUE(Upload(*store_, "pile", Count(5)).ok());
  ASSERT_TRUE(Upload(*store_, "pile", Count(5)).ok());
  EXPECT_THAT(KeysOf("tokens/"), SizeIs(1));
  Reopen();
  ASSERT_TRUE(store_->DeleteDataset("pile").ok());
  EXPECT_THAT(KeysOf(""), IsEmpty());
}

TEST_F(DatasetTest, RefusesToGiveANameAnotherMeaning) {
  ASSERT_TRUE(Upload(*store_, "pile", Count(5)).ok());
  for (const absl::Status& status :
       {Upload(*store_, "pile", Count(6)), Upload(*store_, "pile", Count(5), "another")}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists) << status;
    EXPECT_EQ(ErrorReason(status), "DATASET_EXISTS");
    EXPECT_THAT(status.ToString(), HasSubstr("\"pile\""));
  }
  EXPECT_EQ(ValueOf(store_->GetDataset("pile")), "manifest");
  EXPECT_EQ(ValueOf(store_->ReadTokens("pile", 0, 5)), Count(5));
  EXPECT_THAT(KeysOf("tokens/"), SizeIs(1));
}

TEST_F(DatasetTest, CanCommitUnderAnotherNameAfterAClash) {
  ASSERT_TRUE(Upload(*store_, "pile", Count(5)).ok());
  {
    DatasetUpload upload(store_.get());
    ASSERT_TRUE(upload.Append(Count(6)).ok());
    const std::string key = upload.FinishTokens();
    EXPECT_EQ(ErrorReason(upload.Commit("pile", key, "")), "DATASET_EXISTS");
    EXPECT_TRUE(upload.Commit("pile-2", key, "").ok());
    EXPECT_EQ(ErrorReason(upload.Commit("pile-3", key, "")), "UPLOAD_FINISHED");
  }
  EXPECT_EQ(ValueOf(store_->ReadTokens("pile-2", 0, 6)), Count(6));
}

TEST_F(DatasetTest, RefusesAContentKeyOfOtherContent) {
  DatasetUpload first(store_.get());
  ASSERT_TRUE(first.Append(Count(5)).ok());
  ASSERT_TRUE(first.Commit("one", "key", "").ok());
  DatasetUpload second(store_.get());
  ASSERT_TRUE(second.Append(Count(6)).ok());
  EXPECT_EQ(ErrorReason(second.Commit("two", "key", "")), "CONTENT_KEY_CONFLICT");
}

TEST_F(DatasetTest, TakesNoTokensAfterTheEnd) {
  DatasetUpload upload(store_.get());
  ASSERT_TRUE(upload.Append(Count(5)).ok());
  const std::string key = upload.FinishTokens();
  EXPECT_EQ(ErrorReason(upload.Append(Count(1))), "UPLOAD_FINISHED");
  ASSERT_TRUE(upload.Commit("pile", key, "").ok());
  EXPECT_EQ(ErrorReason(upload.Append(Count(1))), "UPLOAD_FINISHED");
  EXPECT_EQ(ErrorReason(store_->ReadTokens("pile", 0, 6).status()), "TOKENS_OUT_OF_RANGE");
}

TEST_F(DatasetTest, LeavesNothingOfAnAbandonedUpload) {
  {
    DatasetUpload upload(store_.get());
    ASSERT_TRUE(upload.Append(Count(2 * kChunk + 3)).ok());
  }
  EXPECT_THAT(KeysOf(""), IsEmpty());
}

TEST_F(DatasetTest, PurgesWhatAKilledServerLeftOfItsUploads) {
  Close();
  const auto upload_and_die = [this] {
    const auto store = ValueOf(Store::Open(path_));
    if (!Upload(*store, "kept", Count(kChunk + 1)).ok()) return;
    DatasetUpload first(store.get());
    DatasetUpload second(store.get());
    if (!first.Append(Count(2 * kChunk)).ok() || !second.Append(Count(kChunk)).ok()) return;
    std::raise(SIGKILL);
  };
  EXPECT_EXIT(upload_and_die(), ::testing::KilledBySignal(SIGKILL), "");
  EXPECT_THAT(KeysOf("tokens/"), SizeIs(2 + 2 + 1));  // this test sees what it is about
  Reopen();
  EXPECT_THAT(ValueOf(store_->ListDatasets(9, "")).records, SizeIs(1));
  EXPECT_EQ(ValueOf(store_->ReadTokens("kept", kChunk - 1, 2)), Count(2, kChunk - 1));
  EXPECT_THAT(KeysOf("tokens/"), SizeIs(2));
  Reopen();
  EXPECT_TRUE(Upload(*store_, "again", Count(kChunk)).ok());
}

TEST_F(DatasetTest, KeepsSharedContentWholeUnderConcurrentCommitsAndDeletes) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 15;
  const std::vector<int32_t> tokens = Count(1000);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const std::string id = "name-" + std::to_string(t);
      for (int round = 0; round < kRounds; ++round) {
        EXPECT_TRUE(Upload(*store_, id, tokens).ok());
        EXPECT_EQ(store_->ReadTokens(id, 0, 1000).value_or(std::vector<int32_t>()), tokens);
        EXPECT_TRUE(store_->DeleteDataset(id).ok());
      }
      if (t == 0) {
        EXPECT_TRUE(Upload(*store_, id, tokens).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(KeysOf("dataset/"), ElementsAre("dataset/name-0"));
  EXPECT_THAT(KeysOf("tokens/"), SizeIs(1));
  Reopen();
  EXPECT_EQ(ValueOf(store_->ReadTokens("name-0", 0, 1000)), tokens);
  ASSERT_TRUE(store_->DeleteDataset("name-0").ok());
  EXPECT_THAT(KeysOf(""), IsEmpty());
}

TEST_F(DatasetTest, AReaderOfADatasetThatIsMadeAnewMeanwhileNeverSeesDamage) {
  const std::vector<int32_t> tokens = Count(2 * kChunk);
  std::atomic<bool> done = false;
  std::thread reader([&] {
    while (!done) {
      const auto read = store_->ReadTokens("pile", 0, 2 * kChunk);
      if (read.ok()) continue;
      EXPECT_EQ(ErrorReason(read.status()), "DATASET_NOT_FOUND") << read.status();
    }
  });
  std::thread deleter([&] {
    while (!done) store_->DeleteDataset("pile").IgnoreError();
  });
  for (int round = 0; round < 60; ++round) {
    DatasetUpload upload(store_.get());
    EXPECT_TRUE(upload.Append(tokens).ok());
    const std::string key = upload.FinishTokens();
    // Committed the moment the name is free.
    while (!upload.Commit("pile", key, std::to_string(round)).ok()) {
    }
  }
  done = true;
  reader.join();
  deleter.join();
}

TEST_F(DatasetTest, AReaderOfADatasetThatIsDeletedMeanwhileGetsItsTokensOrNotFound) {
  const std::vector<int32_t> tokens = Count(kChunk + 10);
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(Upload(*store_, "pile", tokens).ok());
    std::thread reader([&] {
      for (;;) {
        const auto read = store_->ReadTokens("pile", 0, kChunk + 10);
        if (read.ok()) {
          EXPECT_TRUE(*read == tokens);
          continue;
        }
        EXPECT_EQ(ErrorReason(read.status()), "DATASET_NOT_FOUND") << read.status();
        return;
      }
    });
    EXPECT_TRUE(store_->DeleteDataset("pile").ok());
    reader.join();
  }
}

}  // namespace
}  // namespace homolog::store
