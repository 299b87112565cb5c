#include "server/results/result_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "common/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/server/results/stored_correlation.h"

namespace homolog::results {
namespace {

using ::homolog::testing::HandMadeDetailedResult;
using ::homolog::testing::HandMadeManifest;
using ::homolog::testing::HandMadeResult;
using ::homolog::testing::StoreHandMadeCorrelation;
using ::homolog::testing::TemporaryFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAreArray;

class ResultCodecTest : public ::testing::Test {
 protected:
  ResultCodecTest() : store_(*store::Store::Open((folder_ / "store").string())) {}
  void Put(const v1::Correlation& manifest, const analysis::CorrelationResult& result) {
    ASSERT_TRUE(
        store_->PutResult("correlations", "c", manifest.SerializeAsString(), EncodeColumns(result))
            .ok());
  }
  absl::Status Read() {
    const auto manifest = ReadCorrelation(*store_, "c");
    if (!manifest.ok()) return manifest.status();
    return ReadColumns(*store_, "c", *manifest).status();
  }
  void ExpectDamaged(const std::string& what) {
    const absl::Status status = Read();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_EQ(ErrorReason(status), "DAMAGED_RESULT");
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("correlations/c"), HasSubstr(what)));
  }

  TemporaryFolder folder_;
  std::unique_ptr<store::Store> store_;
};

TEST_F(ResultCodecTest, GivesBackWhatItStored) {
  ASSERT_TRUE(StoreHandMadeCorrelation(*store_, "c").ok());
  const auto manifest = ReadCorrelation(*store_, "c");
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->SerializeAsString(), HandMadeManifest("c").SerializeAsString());
  const auto columns = ReadColumns(*store_, "c", *manifest);
  ASSERT_TRUE(columns.ok()) << columns.status();
  const analysis::CorrelationResult expected = HandMadeResult();
  EXPECT_EQ(columns->dead, expected.dead);
  ASSERT_EQ(columns->partners.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(columns->partners[i].max_corr, expected.partners[i].max_corr);
    EXPECT_EQ(columns->partners[i].max_sim, expected.partners[i].max_sim);
    EXPECT_EQ(columns->partners[i].min_corr, expected.partners[i].min_corr);
    EXPECT_EQ(columns->partners[i].min_sim, expected.partners[i].min_sim);
    EXPECT_EQ(columns->partners[i].baseline, expected.partners[i].baseline);
    EXPECT_EQ(columns->partners[i].baseline_std, expected.partners[i].baseline_std);
  }
}

TEST_F(ResultCodecTest, StoresColumnsAsPackedLittleEndianNumbers) {
  ASSERT_TRUE(StoreHandMadeCorrelation(*store_, "c").ok());
  EXPECT_EQ(*store_->GetBlob("correlations", "c", "dead"), std::string("\0\0\0\0\1\0", 6));
  EXPECT_EQ(store_->GetBlob("correlations", "c", "0.max_corr")->substr(12, 4),
            std::string("\x00\x00\x80\x3f", 4));  // 1.0f
  EXPECT_EQ(store_->GetBlob("correlations", "c", "1.max_sim")->substr(4, 4),
            std::string("\1\0\0\0", 4));
}

TEST_F(ResultCodecTest, StoresEveryColumnThatTheApiNamesAndNoOther) {
  const std::vector<std::string> reference = {"dead",
                                              "activation.mean",
                                              "activation.variance",
                                              "activation.skew",
                                              "activation.kurtosis",
                                              "activation.active_share",
                                              "activation.minimum",
                                              "activation.maximum",
                                              "activation.histogram_low",
                                              "activation.histogram_width",
                                              "activation.histogram",
                                              "activation.top_activation",
                                              "activation.top_position"};
  const std::vector<std::string> partner = {
      "max_corr",  "min_corr",  "baseline",      "baseline_std", "max_sim",
      "min_sim",   "corr_mean", "corr_variance", "corr_skew",    "corr_kurtosis",
      "histogram", "top_corr",  "bottom_corr",   "top_sim",      "bottom_sim"};
  std::vector<std::string> expected = reference;
  for (const char* number : {"0.", "1."}) {
    for (const std::string& name : partner) expected.push_back(number + name);
  }
  std::vector<std::string> names;
  for (const store::Blob& blob : EncodeColumns(HandMadeDetailedResult())) {
    names.push_back(blob.name);
  }
  EXPECT_THAT(names, UnorderedElementsAreArray(expected));
}

TEST_F(ResultCodecTest, StoresNoColumnThatIsEmpty) {
  for (const store::Blob& blob : EncodeColumns(HandMadeResult())) {
    EXPECT_THAT(blob.name, Not(HasSubstr("activation"))) << blob.name;
    EXPECT_THAT(blob.name, Not(HasSubstr("histogram"))) << blob.name;
  }
  ASSERT_TRUE(StoreHandMadeCorrelation(*store_, "c").ok());
  EXPECT_FALSE(*HasColumns(*store_, "c", ColumnGroup::kStatistics));
  EXPECT_FALSE(*HasColumns(*store_, "c", ColumnGroup::kDistribution));
  ASSERT_TRUE(StoreHandMadeCorrelation(*store_, "c", HandMadeDetailedResult()).ok());
  EXPECT_TRUE(*HasColumns(*store_, "c", ColumnGroup::kStatistics));
  EXPECT_TRUE(*HasColumns(*store_, "c", ColumnGroup::kDistribution));
}

TEST_F(ResultCodecTest, GivesBackSomeRowsOfEveryColumn) {
  ASSERT_TRUE(StoreHandMadeCorrelation(*store_, "c", HandMadeDetailedResult()).ok());
  constexpr ColumnGroup kAll[] = {ColumnGroup::kCorrelations, ColumnGroup::kStatistics,
                                  ColumnGroup::kDistribution};
  const auto rows = ReadRows(*store_, "c", *ReadCorrelation(*store_, "c"), kAll, {2, 3});
  ASSERT_TRUE(rows.ok()) << rows.status();
  const analysis::CorrelationResult all = HandMadeDetailedResult();
  const auto expect_rows = [](const auto& some, const auto& whole) {
    const size_t width = whole.size() / 6;
    ASSERT_EQ(some.size(), 3 * width);
    EXPECT_TRUE(std::equal(some.begin(), some.end(), whole.begin() + 2 * width));
  };
  expect_rows(rows->dead, all.dead);
  expect_rows(rows->statistics.kurtosis, all.statistics.kurtosis);
  expect_rows(rows->statistics.histogram, all.statistics.histogram);
  expect_rows(rows->statistics.top_position, all.statistics.top_position);
  for (size_t i = 0; i < 2; ++i) {
    expect_rows(rows->partners[i].max_sim, all.partners[i].max_sim);
    expect_rows(rows->partners[i].distribution.skew, all.partners[i].distribution.skew);
    expect_rows(rows->partners[i].distribution.top_corr, all.partners[i].distribution.top_corr);
    expect_rows(rows->partners[i].distribution.bottom_sim, all.partners[i].distribution.bottom_sim);
  }
}

TEST_F(ResultCodecTest, CallsAListThatIsTooLongOrUnevenDamaged) {
  const auto read = [&](const analysis::CorrelationResult& result) {
    Put(HandMadeManifest("c"), result);
    constexpr ColumnGroup kLists[] = {ColumnGroup::kStatistics, ColumnGroup::kDistribution};
    return ReadRows(*store_, "c", HandMadeManifest("c"), kLists, {0, 1}).status();
  };
  EXPECT_TRUE(read(HandMadeDetailedResult()).ok());
  analysis::CorrelationResult result = HandMadeDetailedResult();
  result.partners[0].distribution.top_corr.pop_back();
  EXPECT_THAT(std::string(read(result).message()),
              HasSubstr("column 0.top_corr has 188 bytes instead of 1 to 50 numbers for each"));
  result = HandMadeDetailedResult();
  result.statistics.top_position.resize(6 * 21);
  EXPECT_THAT(std::string(read(result).message()), HasSubstr("1 to 20 numbers"));
  result = HandMadeDetailedResult();
  result.statistics.histogram.resize(6 * 79);
  EXPECT_THAT(std::string(read(result).message()),
              HasSubstr("activation.histogram has 1896 bytes instead of 1920"));
  result = HandMadeDetailedResult();
  result.partners[1].distribution.top_sim[0] = 2;  // of 2 neurons
  EXPECT_THAT(std::string(read(result).message()), HasSubstr("names a neuron"));
  result = HandMadeDetailedResult();
  result.partners[1].distribution.skew.clear();
  EXPECT_THAT(std::string(read(result).message()), HasSubstr("column 1.corr_skew is missing"));
}

TEST_F(ResultCodecTest, IsCompleteWithAllColumnsOnly) {
  ASSERT_TRUE(StoreHandMadeCorrelation(*store_, "old").ok());  // as servers stored it before
  EXPECT_EQ(ErrorReason(ReadComplete(*store_, "old").status()), "DAMAGED_RESULT");
  const analysis::CorrelationResult whole = homolog::testing::HandMadeDetailedResult();
  Put(HandMadeManifest("c"), whole);
  EXPECT_TRUE(ReadComplete(*store_, "c").ok()) << ReadComplete(*store_, "c").status();
  for (const std::string column : {"dead", "activation.kurtosis", "1.histogram", "0.top_sim"}) {
    std::vector<store::Blob> blobs = EncodeColumns(whole);
    std::erase_if(blobs, [&](const store::Blob& blob) { return blob.name == column; });
    ASSERT_TRUE(
        store_->PutResult("correlations", "c", HandMadeManifest("c").SerializeAsString(), blobs)
            .ok());
    const absl::Status status = ReadComplete(*store_, "c").status();
    EXPECT_EQ(ErrorReason(status), "DAMAGED_RESULT");
    EXPECT_THAT(std::string(status.message()), HasSubstr("column " + column));
  }
  v1::Correlation same_index = HandMadeManifest("c");
  same_index.mutable_parameters()->set_pairing(v1::PAIRING_SAME_INDEX);
  std::vector<store::Blob> blobs = EncodeColumns(whole);
  std::erase_if(blobs, [](const store::Blob& blob) { return blob.name == "1.histogram"; });
  ASSERT_TRUE(store_->PutResult("correlations", "c", same_index.SerializeAsString(), blobs).ok());
  EXPECT_TRUE(ReadComplete(*store_, "c").ok());  // there are no lists of one number
}

TEST_F(ResultCodecTest, GivesBackReferenceAndPairsAsTheyWereComputed) {
  v1::Correlation manifest = HandMadeManifest("c");
  homolog::testing::HandMadeSummaries(manifest);
  manifest.set_counted_positions(30);
  manifest.set_excluded_positions(2);
  Put(manifest, HandMadeDetailedResult());
  auto result = ReadReference(*store_, "c", manifest);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->counted_positions, 30);
  EXPECT_EQ(result->excluded_positions, 2);
  EXPECT_EQ(result->statistics.kept, 3);
  EXPECT_TRUE(result->partners.empty());
  for (int i = 0; i < 2; ++i) {
    const auto pair = ReadPair(*store_, "c", manifest, i);
    ASSERT_TRUE(pair.ok()) << pair.status();
    EXPECT_EQ(pair->partner_dead, 1 + i);
    EXPECT_EQ(pair->error.pairs, 64 + i);
    EXPECT_EQ(pair->error.max_abs, 0.5 + i);
    EXPECT_EQ(pair->error.mean_abs, 0.25 + i);
    EXPECT_EQ(pair->distribution.kept, i == 0 ? 8 : 2);
    EXPECT_EQ(pair->layer_similarity, i == 0 ? (std::vector<float>{0, 0.125f, 0.25f, 0.375f})
                                             : (std::vector<float>{0, 0.125f}));
    result->partners.push_back(*pair);
  }
  const std::vector<store::Blob> again = EncodeColumns(*result),
                                 before = EncodeColumns(HandMadeDetailedResult());
  ASSERT_EQ(again.size(), before.size());
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(again[i].name, before[i].name);
    EXPECT_EQ(again[i].bytes, before[i].bytes) << before[i].name;
  }
}

TEST_F(ResultCodecTest, CallsAPairWithoutItsSummaryDamaged) {
  v1::Correlation manifest = HandMadeManifest("c");
  Put(manifest, HandMadeDetailedResult());
  const auto expect_damaged = [&] {
    const absl::Status status = ReadPair(*store_, "c", manifest, 1).status();
    EXPECT_EQ(ErrorReason(status), "DAMAGED_RESULT");
    EXPECT_THAT(std::string(status.message()), HasSubstr("summary of partner 1"));
  };
  expect_damaged();
  homolog::testing::HandMadeSummaries(manifest);
  EXPECT_TRUE(ReadPair(*store_, "c", manifest, 1).ok());
  manifest.mutable_pairs(1)->mutable_layer_similarity()->RemoveLast();
  expect_damaged();
}

TEST_F(ResultCodecTest, NamesAResultThatIsNotThere) {
  for (const absl::Status& status :
       {ReadCorrelation(*store_, "none").status(), ReadAblation(*store_, "none").status()}) {
    EXPECT_TRUE(absl::IsNotFound(status));
    EXPECT_THAT(std::string(status.message()), HasSubstr("/none"));
  }
  EXPECT_EQ(ErrorReason(ReadCorrelation(*store_, "none").status()), "CORRELATION_NOT_FOUND");
  EXPECT_EQ(ErrorReason(ReadAblation(*store_, "none").status()), "ABLATION_NOT_FOUND");
}

TEST_F(ResultCodecTest, CallsAManifestThatIsNoMessageDamaged) {
  ASSERT_TRUE(store_->PutResult("correlations", "c", "\xff\xff", {}).ok());
  ExpectDamaged("manifest");
  ASSERT_TRUE(store_->PutResult("ablations", "a", "\xff\xff", {}).ok());
  EXPECT_EQ(ErrorReason(ReadAblation(*store_, "a").status()), "DAMAGED_RESULT");
}

TEST_F(ResultCodecTest, CallsAManifestWithoutModelsOrShapesDamaged) {
  ASSERT_TRUE(store_->PutResult("correlations", "c", "", {}).ok());
  ExpectDamaged("lacks");
  v1::Correlation manifest = HandMadeManifest("c");
  manifest.clear_partners();
  Put(manifest, {});
  ExpectDamaged("lacks");
  manifest = HandMadeManifest("c");
  manifest.mutable_partners(1)->mutable_shape()->set_d_mlp(0);
  Put(manifest, HandMadeResult());
  ExpectDamaged("lacks");
  manifest = HandMadeManifest("c");
  manifest.mutable_reference()->mutable_shape()->set_layers(int64_t{1} << 62);
  Put(manifest, HandMadeResult());
  ExpectDamaged("lacks");
  manifest = HandMadeManifest("c");
  manifest.mutable_reference()->mutable_shape()->set_d_mlp(-3);
  Put(manifest, HandMadeResult());
  ExpectDamaged("lacks");
}

TEST_F(ResultCodecTest, CallsAColumnOfTheWrongLengthDamaged) {
  analysis::CorrelationResult result = HandMadeResult();
  result.partners[1].baseline.pop_back();
  Put(HandMadeManifest("c"), result);
  ExpectDamaged("column 1.baseline has 20 bytes instead of 24");
  result = HandMadeResult();
  result.dead.push_back(0);
  Put(HandMadeManifest("c"), result);
  ExpectDamaged("column dead has 7 bytes instead of 6");
}

TEST_F(ResultCodecTest, CallsAColumnThatIsMissingDamaged) {
  std::vector<store::Blob> blobs = EncodeColumns(HandMadeResult());
  std::erase_if(blobs, [](const store::Blob& blob) { return blob.name == "1.min_sim"; });
  ASSERT_TRUE(
      store_->PutResult("correlations", "c", HandMadeManifest("c").SerializeAsString(), blobs)
          .ok());
  ExpectDamaged("column 1.min_sim is missing");
}

TEST_F(ResultCodecTest, CallsANeuronThatThePartnerDoesNotHaveDamaged) {
  for (const int32_t wrong : {-1, 2, 1 << 30}) {  // the right partner has 2 neurons
    analysis::CorrelationResult result = HandMadeResult();
    result.partners[1].max_sim[3] = wrong;
    Put(HandMadeManifest("c"), result);
    ExpectDamaged("partner 1");
    result = HandMadeResult();
    result.partners[1].min_sim[5] = wrong;
    Put(HandMadeManifest("c"), result);
    ExpectDamaged("models/right/checkpoints/1");
  }
}

}  // namespace
}  // namespace homolog::results
