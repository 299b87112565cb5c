#include "server/operations/stored_tokens.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "common/error.h"
#include "server/store/dataset_upload.h"
#include "tests/support/temporary_folder.h"

namespace homolog::operations {
namespace {

using ::homolog::testing::TemporaryFolder;
using ::testing::HasSubstr;

class StoredTokensTest : public ::testing::Test {
 protected:
  StoredTokensTest() : store_(*store::Store::Open((folder_ / "store").string())) {
    dataset_.set_name("datasets/d");
    dataset_.set_vocabulary_size(10);
    dataset_.set_sequence_length(3);
    dataset_.set_sequence_count(2);
  }
  void Put(const std::vector<int32_t>& tokens) {
    store::DatasetUpload upload(store_.get());
    ASSERT_TRUE(upload.Append(tokens).ok());
    const std::string digest = upload.FinishTokens();
    dataset_.set_sha256(digest);
    ASSERT_TRUE(upload.Commit("d", digest, dataset_.SerializeAsString()).ok());
  }
  absl::StatusOr<at::Tensor> Read(int64_t first, int64_t count) {
    return StoredTokens(*store_, "d", dataset_).Read(first, count);
  }

  TemporaryFolder folder_;
  std::unique_ptr<store::Store> store_;
  v1::Dataset dataset_;
};

TEST_F(StoredTokensTest, ReadsSequencesAsRows) {
  Put({0, 1, 2, 3, 4, 5, 6});
  const StoredTokens tokens(*store_, "d", dataset_);
  EXPECT_EQ(tokens.sequence_count(), 2);
  EXPECT_EQ(tokens.sequence_length(), 3);
  const auto all = tokens.Read(0, 2);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_TRUE(at::equal(*all, at::arange(6, at::kLong).view({2, 3})));
  EXPECT_TRUE(at::equal(*tokens.Read(1, 1), at::arange(3, 6, at::kLong).view({1, 3})));
}

TEST_F(StoredTokensTest, RefusesIdsThatAModelWouldReadBeyondItsEmbedding) {
  for (const int32_t wrong : {10, -1, 1 << 30}) {
    Put({0, 1, 2, 3, wrong, 5});
    EXPECT_TRUE(Read(0, 1).ok());
    const absl::Status status = Read(0, 2).status();
    EXPECT_EQ(ErrorReason(status), "DATASET_CHANGED") << wrong;
    EXPECT_THAT(std::string(status.message()), HasSubstr("datasets/d"));
    ASSERT_TRUE(store_->DeleteDataset("d").ok());
  }
}

TEST_F(StoredTokensTest, KnowsThatTheNameStandsForOtherContentByNow) {
  Put({0, 1, 2, 3, 4, 5});
  const v1::Dataset before = *ReadDataset(*store_, "datasets/d");
  EXPECT_TRUE(CheckUnchanged(*store_, before).ok());
  ASSERT_TRUE(store_->DeleteDataset("d").ok());
  EXPECT_EQ(ErrorReason(CheckUnchanged(*store_, before)), "DATASET_NOT_FOUND");
  EXPECT_FALSE(Read(0, 1).ok());
  Put({5, 4, 3, 2, 1, 0});
  EXPECT_EQ(ErrorReason(CheckUnchanged(*store_, before)), "DATASET_CHANGED");
}

TEST_F(StoredTokensTest, ReportsAManifestThatCannotBeRead) {
  store::DatasetUpload upload(store_.get());
  const std::vector<int32_t> tokens = {1, 2, 3};
  ASSERT_TRUE(upload.Append(tokens).ok());
  ASSERT_TRUE(upload.Commit("d", upload.FinishTokens(), "\xff\xff").ok());
  const absl::Status status = ReadDataset(*store_, "datasets/d").status();
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_EQ(ErrorReason(status), "DAMAGED_DATASET");
  EXPECT_EQ(ErrorReason(ReadDataset(*store_, "d").status()), "INVALID_RESOURCE_NAME");
}

}  // namespace
}  // namespace homolog::operations
