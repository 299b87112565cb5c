#include "server/results/stored_pairs.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/support/temporary_folder.h"
#include "tests/unit/server/results/stored_correlation.h"

namespace homolog::results {
namespace {

using ::homolog::testing::HandMadeDetailedResult;
using ::homolog::testing::HandMadeManifest;
using ::homolog::testing::HandMadeSummaries;
using ::homolog::testing::TemporaryFolder;

class StoredPairsTest : public ::testing::Test {
 protected:
  StoredPairsTest() : store_(*store::Store::Open((folder_ / "store").string())) {}

  v1::Correlation Manifest(const std::string& id) const {
    v1::Correlation manifest = HandMadeManifest(id);
    HandMadeSummaries(manifest);
    manifest.set_dataset_sha256("content");
    return manifest;
  }
  void Put(const v1::Correlation& manifest, const analysis::CorrelationResult& result) {
    const std::string id = manifest.name().substr(std::string("correlations/").size());
    ASSERT_TRUE(
        store_->PutResult("correlations", id, manifest.SerializeAsString(), EncodeColumns(result))
            .ok());
  }
  void PutAndRecord(const std::string& id) {
    Put(Manifest(id), HandMadeDetailedResult());
    ASSERT_TRUE(RecordPairs(*store_, id, {"with-left", "with-right"}).ok());
  }
  static PairKey Right() {
    return {"with-right", "weights of reference", "weights of right", "content"};
  }
  std::optional<StoredPair> Find(const PairKey& key) { return StoredPairs(*store_).Find(key); }

  TemporaryFolder folder_;
  std::unique_ptr<store::Store> store_;
};

TEST_F(StoredPairsTest, FindsEveryPairOfACorrelation) {
  PutAndRecord("c");
  const auto right = Find(Right());
  ASSERT_TRUE(right.has_value());
  EXPECT_EQ(right->correlation, "c");
  EXPECT_EQ(right->partner, 1);
  EXPECT_EQ(right->manifest->name(), "correlations/c");
  const auto left = Find({"with-left", "weights of reference", "weights of left", "content"});
  ASSERT_TRUE(left.has_value());
  EXPECT_EQ(left->partner, 0);
  StoredPairs pairs(*store_);
  EXPECT_TRUE(pairs.IsReadable(*right));
  EXPECT_TRUE(pairs.IsReadable(*left));
}

TEST_F(StoredPairsTest, KnowsNothingOfAPairThatNobodyRecorded) {
  Put(Manifest("c"), HandMadeDetailedResult());
  EXPECT_FALSE(Find(Right()));
  EXPECT_FALSE(IsRecorded(*store_, "with-right"));
  PutAndRecord("c");
  EXPECT_TRUE(IsRecorded(*store_, "with-right"));
}

TEST_F(StoredPairsTest, FindsAPairWhereItWasRecordedLast) {
  PutAndRecord("c");
  Put(Manifest("d"), HandMadeDetailedResult());
  ASSERT_TRUE(RecordPairs(*store_, "d", {"with-left", "with-right"}).ok());
  EXPECT_EQ(Find(Right())->correlation, "d");
}

TEST_F(StoredPairsTest, ForgetsAPairWhoseCorrelationIsGone) {
  PutAndRecord("c");
  ASSERT_TRUE(store_->DeleteResult("correlations", "c").ok());
  EXPECT_FALSE(Find(Right()));
}

TEST_F(StoredPairsTest, ForgetsAPairWhoseCorrelationIsNotWhole) {
  PutAndRecord("c");
  analysis::CorrelationResult result = HandMadeDetailedResult();
  result.partners[0].distribution.skew.clear();  // of the other partner, even
  Put(Manifest("c"), result);
  EXPECT_FALSE(Find(Right()));
}

TEST_F(StoredPairsTest, BelievesNoCorrelationOfOtherModelsOrData) {
  PutAndRecord("c");
  for (const PairKey& key :
       {PairKey{"with-right", "other", "weights of right", "content"},
        PairKey{"with-right", "weights of reference", "weights of left", "content"},
        PairKey{"with-right", "weights of reference", "weights of right", "other"}}) {
    EXPECT_FALSE(Find(key));
  }
  EXPECT_TRUE(Find(Right()));
}

TEST_F(StoredPairsTest, BelievesNoRecordThatIsDamaged) {
  PutAndRecord("c");
  // No message; a message that says nothing; a place that the correlation does not have (7 and -1).
  for (const std::string& bytes :
       {std::string("\xff\xff"), std::string(), std::string("\x0a\x01\x63\x10\x07"),
        std::string("\x0a\x01\x63\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")}) {
    ASSERT_TRUE(store_->PutResult("pairs", "with-right", bytes, {}).ok());
    EXPECT_FALSE(Find(Right()));
  }
  ASSERT_TRUE(store_->PutResult("pairs", "with-right", "\x0a\x01\x63\x10\x01", {}).ok());
  EXPECT_TRUE(Find(Right()));
}

TEST_F(StoredPairsTest, TellsPairsThatCannotBeRead) {
  PutAndRecord("c");
  analysis::CorrelationResult result = HandMadeDetailedResult();
  result.partners[1].distribution.top_sim[0] = 2;  // of 2 neurons
  Put(Manifest("c"), result);
  EXPECT_FALSE(StoredPairs(*store_).IsReadable(*Find(Right())));
  Put(HandMadeManifest("c"), HandMadeDetailedResult());  // without summaries of pairs
  PairKey key = Right();
  key.dataset = "";
  EXPECT_FALSE(StoredPairs(*store_).IsReadable(*Find(key)));
}

}  // namespace
}  // namespace homolog::results
