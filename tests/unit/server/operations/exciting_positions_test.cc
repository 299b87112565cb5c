#include "server/operations/exciting_positions.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/error.h"
#include "server/store/dataset_upload.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"
#include "tests/unit/server/results/stored_correlation.h"

namespace homolog::operations {
namespace {

namespace fs = std::filesystem;
using ::homolog::testing::HandMadeDetailedResult;
using ::homolog::testing::HandMadeManifest;
using ::homolog::testing::ReadFile;
using ::homolog::testing::TemporaryFolder;
using ::homolog::testing::WriteFile;
using ::homolog::testing::WriteTinyModel;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Two sequences of 16 bytes. Neuron k is excited most at positions k + 2, k + 10 and k + 20.
constexpr char kText[] = "a quick caf\xC3\xA9 in  the morning sun.";

class ExcitingPositionsTest : public ::testing::Test {
 protected:
  ExcitingPositionsTest() : store_(*store::Store::Open((folder_ / "store").string())) {
    WriteTinyModel(Checkpoint(), {});
    request_.set_correlation("correlations/c");
    dataset_.set_name("datasets/d");
    dataset_.set_sequence_length(16);
    dataset_.set_vocabulary_size(256);
    PutBytes();
  }

  fs::path Checkpoint() const { return folder_ / "models" / "reference" / "1"; }
  void PutBytes() {
    dataset_.set_tokenizer_sha256(datasets::MakeByteTokenizer()->digest());
    std::vector<int32_t> ids;
    for (const unsigned char c : std::string(kText)) ids.push_back(c);
    PutTokens(ids);
  }
  // Stores the data set and a correlation that was computed on it.
  void PutTokens(const std::vector<int32_t>& ids) {
    store_->DeleteDataset("d").IgnoreError();
    store::DatasetUpload upload(store_.get());
    ASSERT_TRUE(upload.Append(ids).ok());
    const std::string digest = upload.FinishTokens();
    dataset_.set_sha256("content of " + digest);
    dataset_.set_sequence_count(static_cast<int64_t>(ids.size()) / 16);
    ASSERT_TRUE(upload.Commit("d", digest, dataset_.SerializeAsString()).ok());
    PutCorrelation(HandMadeDetailedResult());
  }
  void PutCorrelation(const analysis::CorrelationResult& result) {
    v1::Correlation manifest = HandMadeManifest("c");
    manifest.set_dataset("datasets/d");
    manifest.set_dataset_sha256(dataset_.sha256());
    ASSERT_TRUE(store_
                    ->PutResult("correlations", "c", manifest.SerializeAsString(),
                                results::EncodeColumns(result))
                    .ok());
  }

  absl::StatusOr<v1::NeuronDetail> Describe() {
    checkpoints::Registry registry(*checkpoints::Repository::Open((folder_ / "models").string()),
                                   at::kCPU, 1 << 30, &memo_);
    return DescribeNeuron({&registry, &tokenizers_, store_.get(), 1 << 30}, request_);
  }
  std::vector<v1::ExcitingPosition> Positions() {
    const auto detail = Describe();
    EXPECT_TRUE(detail.ok()) << detail.status();
    if (!detail.ok()) return {};
    return {detail->exciting_positions().begin(), detail->exciting_positions().end()};
  }
  static std::vector<std::string> Tokens(const v1::ExcitingPosition& position) {
    return {position.tokens().begin(), position.tokens().end()};
  }
  static std::string Joined(const v1::ExcitingPosition& position) {
    std::string text;
    for (const std::string& token : position.tokens()) text += token;
    return text;
  }

  TemporaryFolder folder_;
  std::unique_ptr<store::Store> store_;
  checkpoints::MemoryDigestMemo memo_;
  datasets::TokenizerCache tokenizers_;
  v1::Dataset dataset_;
  v1::GetNeuronRequest request_;
};

TEST_F(ExcitingPositionsTest, ShowsTheTokensAroundEachPosition) {
  request_.set_context_tokens(2);
  const auto positions = Positions();
  ASSERT_EQ(positions.size(), 3u);
  EXPECT_EQ(positions[0].position(), 2);
  EXPECT_EQ(positions[0].sequence(), 0);
  EXPECT_EQ(positions[0].activation(), 10);
  EXPECT_THAT(Tokens(positions[0]), ElementsAre("a", " ", "q", "u", "i"));
  EXPECT_THAT(std::vector<int>(positions[0].token_ids().begin(), positions[0].token_ids().end()),
              ElementsAre('a', ' ', 'q', 'u', 'i'));
  EXPECT_EQ(positions[0].token_index(), 2);
  EXPECT_EQ(positions[2].position(), 20);
  EXPECT_EQ(positions[2].sequence(), 1);
  EXPECT_EQ(Joined(positions[2]), std::string(kText).substr(18, 5));
}

TEST_F(ExcitingPositionsTest, ShowsBytesThatAreNoCharacterAsReplacements) {
  request_.set_context_tokens(2);
  EXPECT_THAT(Tokens(Positions()[1]), ElementsAre("c", "a", "f", "\uFFFD", "\uFFFD"));
}

TEST_F(ExcitingPositionsTest, StaysInTheSequence) {
  request_.set_context_tokens(128);
  for (const v1::ExcitingPosition& position : Positions()) {
    ASSERT_EQ(position.token_ids_size(), 16);
    EXPECT_EQ(position.token_ids(0), kText[position.sequence() * 16]);
    EXPECT_EQ(position.token_index(), position.position() % 16);
  }
  request_.set_context_tokens(0);
  EXPECT_THAT(Tokens(Positions()[0]), ElementsAre("q"));
  EXPECT_EQ(Positions()[0].token_index(), 0);
}

TEST_F(ExcitingPositionsTest, ShowsSixteenTokensOnEitherSideByDefault) {
  dataset_.set_sequence_length(64);
  PutTokens(std::vector<int32_t>(64, 'x'));
  dataset_.set_sequence_count(1);
  const auto positions = Positions();
  EXPECT_EQ(positions[2].position(), 20);
  EXPECT_EQ(positions[2].token_ids_size(), 33);
  EXPECT_EQ(positions[2].token_index(), 16);
}

TEST_F(ExcitingPositionsTest, ReadsTextByTheCheckpointsOwnTokenizer) {
  WriteTinyModel(Checkpoint(), {.vocabulary = 1000});
  WriteFile(Checkpoint() / "tokenizer.json",
            ReadFile(fs::path(std::getenv("HOMOLOG_TEST_DATA")) / "golden" / "tokenizer" /
                     "small_bpe_tokenizer.json"));
  const auto tokenizer = tokenizers_.Open(Checkpoint().string(), 1000);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  ASSERT_NE(tokenizer->tokenizer, nullptr) << tokenizer->why_none;
  std::vector<int32_t> ids;
  const auto encoder = tokenizer->tokenizer->NewEncoder();
  std::string text;
  for (int i = 0; i < 20; ++i) text += "the cat and the hat are here. ";
  ASSERT_TRUE(encoder->Encode(text, ids).ok());
  ASSERT_TRUE(encoder->Finish(ids).ok());
  ASSERT_GE(ids.size(), 32u);
  ASSERT_LT(ids.size(), text.size());  // some tokens are words
  ids.resize(32);
  ids[3] = 999;  // pads the model's vocabulary
  dataset_.set_vocabulary_size(1000);
  dataset_.set_tokenizer_sha256(tokenizer->digest);
  PutTokens(ids);
  const v1::ExcitingPosition second = Positions()[2];
  EXPECT_EQ(Joined(second),
            *tokenizer->tokenizer->Decode(std::vector<int32_t>(ids.begin() + 16, ids.end())));
  EXPECT_EQ(Positions()[0].tokens(3), "\uFFFD");
}

TEST_F(ExcitingPositionsTest, HasNoTextWithoutTheTokenizerOfTheDataSet) {
  WriteFile(Checkpoint() / "tokenizer.json", "{}");
  EXPECT_THAT(Tokens(Positions()[0]), IsEmpty());
  EXPECT_EQ(Positions()[0].token_ids_size(), 16);
  fs::remove_all(Checkpoint());
  EXPECT_THAT(Tokens(Positions()[0]), IsEmpty());
  EXPECT_EQ(Positions()[0].token_ids_size(), 16);
  WriteTinyModel(Checkpoint(), {});
  EXPECT_EQ(Positions()[0].tokens_size(), 16);
  dataset_.set_tokenizer_sha256("another");
  PutTokens(std::vector<int32_t>(32, 'x'));
  EXPECT_THAT(Tokens(Positions()[0]), IsEmpty());
  EXPECT_EQ(Positions()[0].token_ids_size(), 16);
}

TEST_F(ExcitingPositionsTest, HasNoTokensWithoutTheDataSetItself) {
  ASSERT_TRUE(store_->DeleteDataset("d").ok());
  auto positions = Positions();
  ASSERT_EQ(positions.size(), 3u);
  EXPECT_EQ(positions[1].position(), 10);
  EXPECT_EQ(positions[1].token_ids_size(), 0);
  // The same name with other content.
  const std::string before = dataset_.sha256();
  PutTokens(std::vector<int32_t>(32, 'x'));
  EXPECT_EQ(Positions()[1].token_ids_size(), 16);
  dataset_.set_sha256(before);
  PutCorrelation(HandMadeDetailedResult());
  EXPECT_EQ(Positions()[1].token_ids_size(), 0);
}

TEST_F(ExcitingPositionsTest, ReportsAPositionBeyondTheDataSet) {
  for (const int64_t wrong : {int64_t{-1}, int64_t{32}, int64_t{1} << 62}) {
    analysis::CorrelationResult result = HandMadeDetailedResult();
    result.statistics.top_position[1] = wrong;
    PutCorrelation(result);
    EXPECT_EQ(ErrorReason(Describe().status()), "DAMAGED_RESULT") << wrong;
  }
}

TEST_F(ExcitingPositionsTest, RefusesAContextThatIsTooWide) {
  for (const int wrong : {-1, 129, 1 << 30}) {
    request_.set_context_tokens(wrong);
    EXPECT_EQ(ErrorReason(Describe().status()), "INVALID_CONTEXT") << wrong;
  }
}

}  // namespace
}  // namespace homolog::operations
