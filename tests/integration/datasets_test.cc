#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "tests/integration/server_fixture.h"

namespace homolog::testing {
namespace {

using ::testing::HasSubstr;
using Stub = v1::DatasetService::Stub;

class DatasetsTest : public ServerTest {
 protected:
  absl::StatusOr<v1::Dataset> Get(const std::string& name) {
    v1::GetDatasetRequest request;
    request.set_name(name);
    return Unary(datasets(), &Stub::GetDataset, request);
  }
  static v1::DatasetSpec Spec(const std::string& id) {
    v1::DatasetSpec spec;
    spec.set_dataset_id(id);
    spec.set_checkpoint("models/a/checkpoints/1");
    return spec;
  }
};

// A version 1.0 .npy file of int32.
std::string Npy(const std::vector<int32_t>& ids) {
  std::string header =
      "{'descr': '<i4', 'fortran_order': False, 'shape': (" + std::to_string(ids.size()) + ",), }";
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';
  std::string file("\x93NUMPY\x01\x00", 8);
  file += static_cast<char>(header.size() & 0xff);
  file += static_cast<char>(header.size() >> 8);
  file += header;
  file.append(reinterpret_cast<const char*>(ids.data()), ids.size() * 4);
  return file;
}

TEST_F(DatasetsTest, CutsTextIntoSequencesAndReportsTheTail) {
  StartServer();
  const v1::Dataset dataset = CreateTextDataset();
  EXPECT_EQ(dataset.name(), "datasets/text");
  EXPECT_EQ(dataset.tokenizer(), "bytes");
  EXPECT_EQ(dataset.vocabulary_size(), 256);
  EXPECT_EQ(dataset.sequence_length(), 32);  // the checkpoint's context
  EXPECT_EQ(dataset.token_count(), 40 * 32 + 5);
  EXPECT_EQ(dataset.sequence_count(), 40);
  EXPECT_EQ(dataset.tail_tokens(), 5);
  const auto stored = Get("datasets/text");
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(stored->SerializeAsString(), dataset.SerializeAsString());
}

TEST_F(DatasetsTest, GivesEqualContentTheEqualDigestHoweverItWasCut) {
  StartServer();
  const auto one = CreateDataset(Spec("one"), SampleText(500), 7);
  const auto two = CreateDataset(Spec("two"), SampleText(500), 400);
  const auto other = CreateDataset(Spec("other"), SampleText(499), 400);
  ASSERT_TRUE(one.ok() && two.ok() && other.ok());
  EXPECT_EQ(one->sha256(), two->sha256());
  EXPECT_NE(one->sha256(), other->sha256());
}

TEST_F(DatasetsTest, ReturnsWhatIsThereForTheSameContentAndRefusesOtherContent) {
  StartServer();
  const auto first = CreateDataset(Spec("d"), SampleText(500));
  const auto again = CreateDataset(Spec("d"), SampleText(500));
  ASSERT_TRUE(first.ok() && again.ok());
  EXPECT_EQ(first->SerializeAsString(), again->SerializeAsString());
  EXPECT_EQ(CodeAndReason(CreateDataset(Spec("d"), SampleText(600)).status()),
            "ALREADY_EXISTS DATASET_EXISTS");
}

TEST_F(DatasetsTest, KeepsTheFirstTokensWhereMaxTokensIsGiven) {
  StartServer();
  v1::DatasetSpec spec = Spec("cut");
  spec.set_max_tokens(100);
  spec.set_sequence_length(10);
  const auto cut = CreateDataset(spec, SampleText(100000));
  ASSERT_TRUE(cut.ok()) << cut.status();
  EXPECT_EQ(cut->token_count(), 100);
  spec = Spec("whole");
  spec.set_sequence_length(10);
  const auto whole = CreateDataset(spec, SampleText(100000).substr(0, 100));
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(cut->sha256(), whole->sha256());
}

TEST_F(DatasetsTest, TakesTokenIdsFromANumpyFile) {
  StartServer();
  std::vector<int32_t> ids;
  for (const char c : SampleText(320)) ids.push_back(static_cast<unsigned char>(c));
  v1::DatasetSpec spec = Spec("ids");
  spec.set_format(v1::UPLOAD_FORMAT_NPY);
  const auto from_ids = CreateDataset(spec, Npy(ids), 33);
  ASSERT_TRUE(from_ids.ok()) << from_ids.status();
  const auto from_text = CreateDataset(Spec("bytes"), SampleText(320));
  ASSERT_TRUE(from_text.ok());
  EXPECT_EQ(from_ids->sha256(), from_text->sha256());
  ids[17] = 256;
  spec.set_dataset_id("outside");
  const absl::Status status = CreateDataset(spec, Npy(ids)).status();
  EXPECT_EQ(CodeAndReason(status), "INVALID_ARGUMENT TOKEN_OUT_OF_RANGE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("256"));
}

// The golden tokenizer has 700 ids; one model pads its vocabulary, two steps share a tokenizer
// file.
class TokenizedTest : public DatasetsTest {
 protected:
  TokenizedTest() {
    WriteTinyModel(repository() / "pile" / "1", {.vocabulary = 768, .seed = 5});
    WriteTinyModel(repository() / "pile" / "2", {.vocabulary = 800, .seed = 6});
    WriteTinyModel(repository() / "narrow" / "1", {.vocabulary = 300, .seed = 7});
    const std::filesystem::path golden =
        std::filesystem::path(std::getenv("HOMOLOG_TEST_DATA")) / "golden/tokenizer";
    for (const char* model : {"pile", "narrow"}) {
      std::filesystem::copy(golden / "small_bpe_tokenizer.json",
                            repository() / model / "tokenizer.json");
    }
  }
  static v1::DatasetSpec JsonlSpec(const std::string& id) {
    v1::DatasetSpec spec = Spec(id);
    spec.set_checkpoint("models/pile/checkpoints/1");
    spec.set_sequence_length(4);
    spec.set_format(v1::UPLOAD_FORMAT_JSONL);
    return spec;
  }
  absl::StatusOr<v1::Operation> Correlate(const std::string& dataset) {
    v1::ComputeCorrelationsRequest request;
    request.set_reference("models/pile/checkpoints/1");
    request.add_partners("models/pile/checkpoints/2");
    request.set_dataset(dataset);
    return Unary(analysis(), &v1::AnalysisService::Stub::ComputeCorrelations, request);
  }
};

TEST_F(TokenizedTest, PutsTheEndOfTextBetweenDocuments) {
  StartServer();
  // "Hello world" is 41 313 431 463 604 (tests/golden/tokenizer); <|endoftext|> is 0.
  const std::string lines =
      "{\"text\": \"Hello world\", \"meta\": {}}\n{\"text\": \"Hello world\"}";
  const auto dataset = CreateDataset(JsonlSpec("lines"), lines, 7);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->tokenizer(), "byte-level-bpe");
  EXPECT_EQ(dataset->document_count(), 2);
  EXPECT_EQ(dataset->max_token_id(), 604);
  v1::DatasetSpec ids = JsonlSpec("ids");
  ids.set_format(v1::UPLOAD_FORMAT_NPY);
  const auto same = CreateDataset(ids, Npy({41, 313, 431, 463, 604, 0, 41, 313, 431, 463, 604}));
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(dataset->sha256(), same->sha256());
}

TEST_F(TokenizedTest, ServesAModelOfTheSameTokenizerAndAnotherPadding) {
  StartServer();
  std::string lines;
  for (int i = 0; i < 20; ++i) lines += "{\"text\": \"Hello world " + std::to_string(i) + "\"}\n";
  const auto dataset = CreateDataset(JsonlSpec("lines"), lines);
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  const auto operation = Correlate("datasets/lines");
  ASSERT_TRUE(operation.ok()) << operation.status();
  EXPECT_EQ(Wait(operation->name()).state(), v1::OPERATION_STATE_SUCCEEDED);
  v1::DatasetSpec padding = JsonlSpec("padding");
  padding.set_checkpoint("models/pile/checkpoints/2");
  padding.set_format(v1::UPLOAD_FORMAT_NPY);
  ASSERT_TRUE(CreateDataset(padding, Npy({1, 2, 799, 3})).ok());
  EXPECT_EQ(CodeAndReason(Correlate("datasets/padding").status()),
            "INVALID_ARGUMENT VOCABULARY_MISMATCH");
}

TEST_F(TokenizedTest, SaysWhichLineIsNoDocument) {
  StartServer();
  const absl::Status status =
      CreateDataset(JsonlSpec("bad"), "{\"text\": \"Hello world\"}\n{\"txt\": 1}\n").status();
  EXPECT_EQ(CodeAndReason(status), "INVALID_ARGUMENT MALFORMED_JSONL");
  EXPECT_THAT(std::string(status.message()), HasSubstr("2"));
}

TEST_F(TokenizedTest, TakesNoTextForAModelWithFewerRowsThanItsTokenizer) {
  StartServer();
  v1::DatasetSpec spec = JsonlSpec("narrow");
  spec.set_checkpoint("models/narrow/checkpoints/1");
  const absl::Status status = CreateDataset(spec, "{\"text\": \"Hello world\"}\n").status();
  EXPECT_EQ(CodeAndReason(status), "FAILED_PRECONDITION NO_TOKENIZER");
  EXPECT_THAT(std::string(status.message()), HasSubstr("300"));
}

TEST_F(DatasetsTest, KeepsNothingOfAnUploadThatWasInterrupted) {
  StartServer();
  for (const bool cancel : {true, false}) {
    grpc::ClientContext context;
    v1::Dataset dataset;
    auto writer = datasets().CreateDataset(&context, &dataset);
    v1::CreateDatasetRequest message;
    *message.mutable_spec() = Spec("half");
    writer->Write(message);
    message.set_data(SampleText(1000));
    writer->Write(message);
    if (cancel) {
      context.TryCancel();
    } else {
      writer->WritesDone();  // without the end message
    }
    const absl::Status status = FromWire(writer->Finish());
    EXPECT_EQ(CodeAndReason(status), cancel ? "CANCELLED " : "INVALID_ARGUMENT INCOMPLETE_UPLOAD");
  }
  EXPECT_EQ(CodeAndReason(Get("datasets/half").status()), "NOT_FOUND DATASET_NOT_FOUND");
}

TEST_F(DatasetsTest, RefusesTextForACheckpointWithoutATokenizer) {
  WriteTinyModel(repository() / "ids" / "1", {.vocabulary = 300, .seed = 5});
  StartServer();
  v1::DatasetSpec spec = Spec("text");
  spec.set_checkpoint("models/ids/checkpoints/1");
  EXPECT_EQ(CodeAndReason(CreateDataset(spec, SampleText(500)).status()),
            "FAILED_PRECONDITION NO_TOKENIZER");
  spec.set_format(v1::UPLOAD_FORMAT_NPY);
  const auto ids = CreateDataset(spec, Npy(std::vector<int32_t>(64, 299)));
  ASSERT_TRUE(ids.ok()) << ids.status();
  EXPECT_EQ(ids->tokenizer(), "none");
}

TEST_F(DatasetsTest, ListsAndDeletes) {
  StartServer();
  for (const char* id : {"c", "a", "b"}) {
    ASSERT_TRUE(CreateDataset(Spec(id), SampleText(400)).ok());
  }
  v1::DeleteDatasetRequest remove;
  remove.set_name("datasets/b");
  ASSERT_TRUE(Unary(datasets(), &Stub::DeleteDataset, remove).ok());
  EXPECT_EQ(CodeAndReason(Unary(datasets(), &Stub::DeleteDataset, remove).status()),
            "NOT_FOUND DATASET_NOT_FOUND");
  const auto page = Unary(datasets(), &Stub::ListDatasets, v1::ListDatasetsRequest());
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->datasets_size(), 2);
  EXPECT_EQ(page->datasets(0).name(), "datasets/a");
  EXPECT_EQ(page->datasets(1).name(), "datasets/c");
}

TEST_F(DatasetsTest, RefusesWhatMakesNoDataset) {
  StartServer();
  v1::DatasetSpec spec = Spec("d");
  EXPECT_EQ(CodeAndReason(CreateDataset(spec, "short").status()),
            "INVALID_ARGUMENT DATASET_TOO_SHORT");
  EXPECT_EQ(CodeAndReason(CreateDataset(spec, "").status()), "INVALID_ARGUMENT DATASET_TOO_SHORT");
  spec.set_sequence_length(33);
  EXPECT_EQ(CodeAndReason(CreateDataset(spec, SampleText(500)).status()),
            "INVALID_ARGUMENT INVALID_SEQUENCE_LENGTH");
  spec.set_sequence_length(1);
  EXPECT_EQ(CodeAndReason(CreateDataset(spec, SampleText(500)).status()),
            "INVALID_ARGUMENT INVALID_SEQUENCE_LENGTH");
  spec = Spec("d");
  spec.set_max_tokens(-1);
  EXPECT_EQ(CodeAndReason(CreateDataset(spec, SampleText(500)).status()),
            "INVALID_ARGUMENT INVALID_MAX_TOKENS");
  EXPECT_EQ(CodeAndReason(CreateDataset(Spec("../d"), SampleText(500)).status()),
            "INVALID_ARGUMENT INVALID_RESOURCE_ID");
  spec = Spec("d");
  spec.set_checkpoint("models/none/checkpoints/1");
  EXPECT_EQ(CodeAndReason(CreateDataset(spec, SampleText(500)).status()),
            "NOT_FOUND CHECKPOINT_NOT_FOUND");
  spec = Spec("d");
  spec.set_format(v1::UPLOAD_FORMAT_NPY);
  EXPECT_EQ(CodeAndReason(CreateDataset(spec, "not numpy, just text").status()),
            "INVALID_ARGUMENT MALFORMED_NPY");
}

}  // namespace
}  // namespace homolog::testing
