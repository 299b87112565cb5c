#include "server/datasets/checkpoint_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "server/datasets/tokenizer_folder.h"
#include "tests/support/temporary_folder.h"
#include "tokenizer_testing.h"

namespace homolog::datasets {
namespace {

using ::homolog::testing::TemporaryFolder;
using ::homolog::testing::WriteFile;
using ::testing::HasSubstr;

class CheckpointTokenizerTest : public ::testing::Test {
 protected:
  CheckpointTokenizer Open(int64_t vocabulary_size) {
    const auto tokenizer = OpenCheckpointTokenizer((folder_ / "model/1").string(), vocabulary_size);
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
    return *tokenizer;
  }
  void Write(const std::string& name, const std::string& text) {
    WriteFile(folder_ / ("model/" + name), text);
  }
  void ExpectNone(int64_t vocabulary_size, const std::vector<std::string>& parts) {
    const CheckpointTokenizer tokenizer = Open(vocabulary_size);
    EXPECT_EQ(tokenizer.kind, "none");
    EXPECT_EQ(tokenizer.tokenizer, nullptr);
    EXPECT_EQ(tokenizer.digest.size(), 64u);
    for (const std::string& part : parts) EXPECT_THAT(tokenizer.why_none, HasSubstr(part));
  }
  TemporaryFolder folder_;
  const std::string tiny_ = TinyTokenizerJson().dump();
};

TEST_F(CheckpointTokenizerTest, IsBytesForAVocabularyOf256WithoutFiles) {
  EXPECT_EQ(Open(256).kind, "bytes");
  ExpectNone(257, {"no tokenizer file", "257"});
}

TEST_F(CheckpointTokenizerTest, ReadsTheFileBesideTheWeightsOrOneLevelUp) {
  Write("tokenizer.json", tiny_);
  EXPECT_EQ(Open(261).kind, "byte-level-bpe");
  EXPECT_EQ(Open(261).digest, Parse(std::string_view(tiny_))->digest());
  Write("1/tokenizer.json", "{}");
  ExpectNone(261, {"model/1/tokenizer.json"});
  EXPECT_EQ(OpenCheckpointTokenizer((folder_ / "model/").string(), 261)->kind, "byte-level-bpe");
}

TEST_F(CheckpointTokenizerTest, ReadsFilesOfKnownNamesAlone) {
  const auto names = TokenizerFileNames();
  for (const char* name : names) Write(name, "{}");
  for (const char* name : {"config.json", "model.safetensors", "special_tokens_map.json"}) {
    Write(name, "{}");
  }
  std::set<std::string> read;
  const auto open = [&] {
    const auto folder = OpenTokenizerFolder((folder_ / "model/1").string());
    ASSERT_TRUE(folder.ok()) << folder.status();
    for (const auto& [name, file] : folder->files) read.insert(name);
  };
  open();
  std::filesystem::remove(folder_ / "model/tokenizer.json");  // which comes before the others
  open();
  EXPECT_EQ(read, std::set<std::string>(names.begin(), names.end()));
}

TEST_F(CheckpointTokenizerTest, ReadsVocabularyAndMerges) {
  Write("1/vocab.json", TinyTokenizerJson()["model"]["vocab"].dump());
  ExpectNone(261, {"model/1/vocab.json", "merges.txt"});
  Write("1/merges.txt", "h e\nl l\nhe ll\n\u0120 t\n\u0120t h\n");
  EXPECT_EQ(Open(261).digest, Parse(std::string_view(tiny_))->digest());
  Write("1/tokenizer_config.json", R"({"eos_token": "hell"})");
  EXPECT_EQ(Open(261).tokenizer->end_of_text(), 258);
}

TEST_F(CheckpointTokenizerTest, IsNoneWhereTheFileCannotBeRead) {
  Write("1/tokenizer.json", "{");
  ExpectNone(261, {"model/1/tokenizer.json", "JSON"});
  nlohmann::json other = TinyTokenizerJson();
  other["model"]["type"] = "Unigram";
  Write("1/tokenizer.json", other.dump());
  ExpectNone(261, {"model/1/tokenizer.json", "Unigram"});
}

TEST_F(CheckpointTokenizerTest, SaysHowToFetchWhatGitLeftAPointerTo) {
  Write("1/tokenizer.json", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n");
  ExpectNone(261, {"model/1/tokenizer.json", "git lfs pull"});
}

// That is no tokenizer to compare data sets with, and may pass.
TEST_F(CheckpointTokenizerTest, IsUnavailableWhereTheFileCannotBeOpened) {
  std::filesystem::create_directories(folder_ / "model/1/tokenizer.json");
  const auto tokenizer = OpenCheckpointTokenizer((folder_ / "model/1").string(), 256);
  EXPECT_TRUE(absl::IsUnavailable(tokenizer.status())) << tokenizer.status();
  EXPECT_THAT(std::string(tokenizer.status().message()), HasSubstr("regular file"));
}

TEST_F(CheckpointTokenizerTest, IsNoneWhereTheModelLacksItsIds) {
  Write("1/tokenizer.json", tiny_);
  ExpectNone(260, {"ids up to 260", "vocabulary of 260"});
  EXPECT_EQ(Open(50304).kind, "byte-level-bpe") << "padded vocabularies are fine";
}

}  // namespace
}  // namespace homolog::datasets
