#include "server/rpc/dataset_builder.h"

#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "common/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace homolog::rpc {
namespace {

using ::homolog::testing::ReadFile;
using ::homolog::testing::TemporaryFolder;
using ::homolog::testing::WriteFile;
using ::homolog::testing::WriteTinyModel;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DatasetBuilderTest : public ::testing::Test {
 protected:
  DatasetBuilderTest() : store_(*store::Store::Open((folder_ / "store").string())) {
    WriteTinyModel(folder_ / "models/a/1", {.layers = 1, .context = 8});
    WriteTinyModel(folder_ / "models/words/1", {.layers = 1, .context = 8, .vocabulary = 300});
    registry_ = std::make_unique<checkpoints::Registry>(
        *checkpoints::Repository::Open((folder_ / "models").string()), at::kCPU, 1 << 30, &memo_);
    spec_.set_dataset_id("d");
    spec_.set_checkpoint("models/a/checkpoints/1");
    spec_.set_sequence_length(4);
  }
  static v1::CreateDatasetRequest Data(const std::string& bytes) {
    v1::CreateDatasetRequest message;
    message.set_data(bytes);
    return message;
  }
  static v1::CreateDatasetRequest End(int64_t bytes) {
    v1::CreateDatasetRequest message;
    message.mutable_end()->set_size_bytes(bytes);
    return message;
  }
  v1::CreateDatasetRequest Spec() {
    v1::CreateDatasetRequest message;
    *message.mutable_spec() = spec_;
    return message;
  }
  absl::StatusOr<v1::Dataset> Build(const std::vector<v1::CreateDatasetRequest>& messages) {
    DatasetBuilder builder(registry_.get(), &tokenizers_, store_.get(), limits_);
    for (const v1::CreateDatasetRequest& message : messages) {
      const absl::Status status = builder.Add(message);
      if (!status.ok()) return status;
      if (builder.complete()) break;  // as the reactor does
    }
    return builder.Finish();
  }
  absl::StatusOr<v1::Dataset> BuildText(const std::string& text) {
    return Build({Spec(), Data(text), End(static_cast<int64_t>(text.size()))});
  }
  std::string SpecRefusal() {
    DatasetBuilder builder(registry_.get(), &tokenizers_, store_.get(), limits_);
    return ErrorReason(builder.Add(Spec()));
  }
  static std::string GoldenTokenizer() {
    return ReadFile(std::string(std::getenv("HOMOLOG_TEST_DATA")) +
                    "/golden/tokenizer/small_bpe_tokenizer.json");
  }
  bool NothingIsStored() { return store_->ListDatasets(10, "")->records.empty(); }

  TemporaryFolder folder_;
  std::unique_ptr<store::Store> store_;
  checkpoints::MemoryDigestMemo memo_;
  std::unique_ptr<checkpoints::Registry> registry_;
  datasets::TokenizerCache tokenizers_;
  v1::DatasetSpec spec_;
  Limits limits_;
};

TEST_F(DatasetBuilderTest, CutsBytesIntoSequences) {
  const auto dataset = BuildText("abcdefghij");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->name(), "datasets/d");
  EXPECT_EQ(dataset->token_count(), 10);
  EXPECT_EQ(dataset->sequence_count(), 2);
  EXPECT_EQ(dataset->tail_tokens(), 2);
  EXPECT_EQ(dataset->vocabulary_size(), 256);
  EXPECT_THAT(*store_->ReadTokens("d", 0, 3), ElementsAre('a', 'b', 'c'));
}

TEST_F(DatasetBuilderTest, NamesEqualContentEquallyHoweverItIsCut) {
  const std::string whole = BuildText("abcdefgh")->sha256();
  spec_.set_dataset_id("e");
  const auto pieces = Build({Spec(), Data(""), Data("abc"), Data("d"), Data("efgh"), End(8)});
  ASSERT_TRUE(pieces.ok()) << pieces.status();
  EXPECT_EQ(pieces->sha256(), whole);
  spec_.set_dataset_id("f");
  spec_.set_sequence_length(2);
  EXPECT_NE(BuildText("abcdefgh")->sha256(), whole);
}

TEST_F(DatasetBuilderTest, GivesBackWhatIsThereForTheSameContent) {
  const auto first = BuildText("abcdefgh");
  const auto again = BuildText("abcdefgh");
  ASSERT_TRUE(first.ok() && again.ok());
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  EXPECT_EQ(ErrorReason(BuildText("ABCDEFGH").status()), "DATASET_EXISTS");
}

TEST_F(DatasetBuilderTest, IsCompleteOnceItHasMaxTokens) {
  spec_.set_max_tokens(6);
  DatasetBuilder builder(registry_.get(), &tokenizers_, store_.get());
  ASSERT_TRUE(builder.Add(Spec()).ok());
  ASSERT_TRUE(builder.Add(Data("abcde")).ok());
  EXPECT_FALSE(builder.complete());
  ASSERT_TRUE(builder.Add(Data("fghi")).ok());
  EXPECT_TRUE(builder.complete());
  const auto dataset = builder.Finish();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->token_count(), 6);
}

TEST_F(DatasetBuilderTest, RefusesMessagesOutOfOrder) {
  EXPECT_EQ(ErrorReason(Build({Data("abcd"), Spec()}).status()), "MISSING_SPEC");
  EXPECT_EQ(ErrorReason(Build({End(0)}).status()), "MISSING_SPEC");
  EXPECT_EQ(ErrorReason(Build({Spec(), Spec()}).status()), "DUPLICATE_SPEC");
  EXPECT_EQ(ErrorReason(Build({Spec(), v1::CreateDatasetRequest()}).status()), "EMPTY_MESSAGE");
  EXPECT_EQ(ErrorReason(Build({}).status()), "INCOMPLETE_UPLOAD");
  EXPECT_TRUE(NothingIsStored());
}

TEST_F(DatasetBuilderTest, KeepsNothingOfAnUploadThatIsNotWhole) {
  EXPECT_EQ(ErrorReason(Build({Spec(), Data("abcdefgh")}).status()), "INCOMPLETE_UPLOAD");
  for (const int64_t size : {int64_t{7}, int64_t{9}, int64_t{0}, int64_t{-1}}) {
    const absl::Status status = Build({Spec(), Data("abcdefgh"), End(size)}).status();
    EXPECT_EQ(ErrorReason(status), "INCOMPLETE_UPLOAD");
    EXPECT_THAT(std::string(status.message()), HasSubstr("8 came"));
  }
  EXPECT_TRUE(NothingIsStored());
}

TEST_F(DatasetBuilderTest, RefusesTextThatFillsNoSequence) {
  for (const std::string text : {"", "abc"}) {
    const absl::Status status = BuildText(text).status();
    EXPECT_EQ(ErrorReason(status), "DATASET_TOO_SHORT");
    EXPECT_THAT(std::string(status.message()), HasSubstr("sequence of 4"));
  }
  EXPECT_TRUE(NothingIsStored());
}

TEST_F(DatasetBuilderTest, RefusesAPieceThatIsTooLarge) {
  EXPECT_EQ(ErrorReason(Build({Spec(), Data(std::string((4 << 20) + 1, 'x'))}).status()),
            "PIECE_TOO_LARGE");
}

TEST_F(DatasetBuilderTest, NamesWhatIsWrongWithTheSpec) {
  EXPECT_EQ(SpecRefusal(), "");
  for (const std::string id : {"", "..", "a/b", "a b"}) {
    spec_.set_dataset_id(id);
    EXPECT_EQ(SpecRefusal(), "INVALID_RESOURCE_ID") << id;
  }
  spec_.set_dataset_id("d");
  for (const int64_t length : {int64_t{-1}, int64_t{1}, int64_t{9}, int64_t{1} << 62}) {
    spec_.set_sequence_length(length);
    EXPECT_EQ(SpecRefusal(), "INVALID_SEQUENCE_LENGTH") << length;
  }
  spec_.set_sequence_length(0);
  EXPECT_EQ(BuildText("0123456789")->sequence_length(), 8);  // the context length
  spec_.set_max_tokens(-1);
  EXPECT_EQ(SpecRefusal(), "INVALID_MAX_TOKENS");
  spec_.clear_max_tokens();
  spec_.set_format(static_cast<v1::UploadFormat>(9));
  EXPECT_EQ(SpecRefusal(), "INVALID_FORMAT");
  spec_.clear_format();
  spec_.set_checkpoint("a/1");
  EXPECT_EQ(SpecRefusal(), "INVALID_RESOURCE_NAME");
  spec_.set_checkpoint("models/none/checkpoints/1");
  EXPECT_EQ(SpecRefusal(), "CHECKPOINT_NOT_FOUND");
  spec_.set_checkpoint("models/words/checkpoints/1");
  EXPECT_EQ(SpecRefusal(), "NO_TOKENIZER");
  WriteFile(folder_ / "models/broken/1/config.json", "{");
  spec_.set_checkpoint("models/broken/checkpoints/1");
  EXPECT_EQ(SpecRefusal(), "CHECKPOINT_INVALID");
}

TEST_F(DatasetBuilderTest, CountsDocumentsAndNamesTheLargestId) {
  const auto text = BuildText("abcdezfghi");
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(text->document_count(), 1);
  EXPECT_EQ(text->max_token_id(), 'z');
  spec_.set_dataset_id("lines");
  spec_.set_format(v1::UPLOAD_FORMAT_JSONL);
  const auto lines = BuildText("{\"text\":\"abc\"}\n{\"text\":\"\"}\n{\"text\":\"defg\"}\n");
  ASSERT_TRUE(lines.ok()) << lines.status();
  EXPECT_EQ(lines->document_count(), 3);
  EXPECT_EQ(lines->max_token_id(), 'g');
  EXPECT_THAT(*store_->ReadTokens("lines", 0, 8),
              ElementsAre('a', 'b', 'c', '\n', 'd', 'e', 'f', 'g'));
}

TEST_F(DatasetBuilderTest, ReadsTextThroughTheTokenizerBesideTheModel) {
  WriteTinyModel(folder_ / "models/bpe/1", {.layers = 1, .context = 8, .vocabulary = 704});
  spec_.set_checkpoint("models/bpe/checkpoints/1");
  EXPECT_EQ(SpecRefusal(), "NO_TOKENIZER");
  WriteFile(folder_ / "models/bpe/1/tokenizer.json", GoldenTokenizer());
  const auto dataset = BuildText("Hello world<|endoftext|>Hello world");
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->tokenizer(), "byte-level-bpe");
  EXPECT_EQ(dataset->vocabulary_size(), 704);
  EXPECT_EQ(dataset->max_token_id(), 604);
  EXPECT_THAT(*store_->ReadTokens("d", 0, 11),
              ElementsAre(41, 313, 431, 463, 604, 0, 41, 313, 431, 463, 604));
  EXPECT_EQ(ErrorReason(BuildText("\xFF not UTF-8").status()), "MALFORMED_TEXT");
  spec_.set_format(v1::UPLOAD_FORMAT_JSONL);
  EXPECT_EQ(ErrorReason(BuildText("{\"text\":1}").status()), "MALFORMED_JSONL");
}

TEST_F(DatasetBuilderTest, NeedsAnEndOfTextForJsonLines) {
  WriteTinyModel(folder_ / "models/bpe/1", {.layers = 1, .context = 8, .vocabulary = 704});
  std::string file = GoldenTokenizer();
  for (size_t at; (at = file.find("endoftext")) != file.npos;) file.replace(at, 9, "some-text");
  WriteFile(folder_ / "models/bpe/1/tokenizer.json", file);
  spec_.set_checkpoint("models/bpe/checkpoints/1");
  EXPECT_EQ(SpecRefusal(), "");
  spec_.set_format(v1::UPLOAD_FORMAT_JSONL);
  EXPECT_EQ(SpecRefusal(), "NO_END_OF_TEXT");
}

TEST_F(DatasetBuilderTest, DecompressesWhatIsCompressed) {
  // gzip of "abcdefghij".
  const std::string gzip(
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x4b\x4c\x4a\x4e\x49\x4d\x4b\xcf\xc8\xcc"
      "\x02\x00\x3a\x70\x81\x39\x0a\x00\x00\x00",
      30);
  const std::string plain = BuildText("abcdefghij")->sha256();
  spec_.set_dataset_id("compressed");
  const auto dataset = BuildText(gzip);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->sha256(), plain);
  spec_.set_dataset_id("cut");
  EXPECT_EQ(ErrorReason(BuildText(gzip.substr(0, 25)).status()), "MALFORMED_COMPRESSION");
}

TEST_F(DatasetBuilderTest, StopsDecompressingABombOnceItHasMaxTokens) {
  // A zstd frame of a million blocks, each of 128 Ki times one letter.
  std::string bomb("\x28\xB5\x2F\xFD\x00\x38", 6);
  for (int i = 0; i < 1000000; ++i) bomb.append("\x02\x00\x10z", 4);
  ASSERT_LT(bomb.size(), size_t{4} << 20);
  spec_.set_max_tokens(1000000);
  const auto dataset = Build({Spec(), Data(bomb)});
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->token_count(), 1000000);
  EXPECT_EQ(dataset->max_token_id(), 'z');
}

TEST_F(DatasetBuilderTest, RefusesMoreBytesThanTheLimitHoweverTheyAreCounted) {
  limits_.upload_bytes = 40;
  EXPECT_TRUE(BuildText("0123456789").ok());  // ten tokens of 4 bytes
  spec_.set_dataset_id("e");
  const absl::Status tokens = BuildText("0123456789a").status();
  EXPECT_EQ(ErrorReason(tokens), "UPLOAD_TOO_LARGE");
  EXPECT_THAT(std::string(tokens.message()), HasSubstr("more than 40 bytes of tokens"));
  const absl::Status sent =
      Build({Spec(), Data(std::string(20, 'x')), Data(std::string(21, 'x'))}).status();
  EXPECT_EQ(ErrorReason(sent), "UPLOAD_TOO_LARGE");
  spec_.set_max_tokens(5);  // what is beyond these is never looked at
  EXPECT_TRUE(BuildText("0123456789a").ok());
  EXPECT_EQ(store_->ListDatasets(10, "")->records.size(), 2u);
}

TEST_F(DatasetBuilderTest, RefusesACompressedUploadThatGivesMoreThanTheLimit) {
  limits_.upload_bytes = 1 << 20;
  std::string bomb("\x28\xB5\x2F\xFD\x00\x38", 6);
  for (int i = 0; i < 1000; ++i) bomb.append("\x02\x00\x10z", 4);
  spec_.set_format(v1::UPLOAD_FORMAT_JSONL);  // gives no token before its line ends
  const absl::Status status = Build({Spec(), Data(bomb)}).status();
  EXPECT_EQ(ErrorReason(status), "UPLOAD_TOO_LARGE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("decompressed"));
  EXPECT_TRUE(NothingIsStored());
}

TEST_F(DatasetBuilderTest, RefusesSequencesLongerThanTheLimit) {
  limits_.sequence_length = 6;
  spec_.set_sequence_length(6);
  EXPECT_EQ(SpecRefusal(), "");
  for (const int64_t length : {7, 0}) {  // 0: the context length, 8
    spec_.set_sequence_length(length);
    EXPECT_EQ(SpecRefusal(), "INVALID_SEQUENCE_LENGTH");
  }
}

TEST_F(DatasetBuilderTest, RefusesBytesThatAreNoNumpyFile) {
  spec_.set_format(v1::UPLOAD_FORMAT_NPY);
  EXPECT_EQ(ErrorReason(BuildText("this is no numpy file").status()), "MALFORMED_NPY");
  EXPECT_EQ(ErrorReason(BuildText("").status()), "MALFORMED_NPY");
  EXPECT_TRUE(NothingIsStored());
}

}  // namespace
}  // namespace homolog::rpc
