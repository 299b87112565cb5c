#include "server/datasets/tokenizer_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/temporary_folder.h"
#include "tokenizer_testing.h"

namespace homolog::datasets {
namespace {

using ::homolog::testing::TemporaryFolder;
using ::homolog::testing::WriteFile;
using ::testing::HasSubstr;

class TokenizerCacheTest : public ::testing::Test {
 protected:
  std::string Folder(int number) { return (folder_ / absl::StrCat("m/", number)).string(); }
  // Tokenizers with different numbers differ.
  void Write(int folder, int tokenizer) {
    nlohmann::json file = TinyTokenizerJson();
    file["added_tokens"].push_back(AddedTokenJson(261, absl::StrCat("token ", tokenizer)));
    WriteFile(Folder(folder) + "/tokenizer.json", file.dump());
  }
  CheckpointTokenizer Open(int folder, int64_t size = 1000) {
    return cache_.Open(Folder(folder), size).value();
  }
  CheckpointTokenizer Identify(int folder, int64_t size = 1000) {
    return cache_.Identify(Folder(folder), size).value();
  }
  TemporaryFolder folder_;
  TokenizerCache cache_;
};

TEST_F(TokenizerCacheTest, ParsesEqualFilesOnce) {
  for (int i = 0; i < 20; ++i) Write(i, 0);
  const CheckpointTokenizer first = Open(0);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Identify(i).digest, first.digest);
    EXPECT_EQ(Open(i).tokenizer, first.tokenizer);
  }
  EXPECT_EQ(cache_.parse_count(), 1);
}

TEST_F(TokenizerCacheTest, SeesAChangedFileAtOnce) {
  Write(0, 0);
  const std::string digest = Open(0).digest;
  Write(0, 1234);
  EXPECT_NE(Identify(0).digest, digest);
  EXPECT_NE(Open(0).tokenizer, nullptr);
  std::filesystem::remove(Folder(0) + "/tokenizer.json");
  EXPECT_EQ(Open(0).kind, "none");
  Write(0, 0);
  EXPECT_EQ(Open(0).digest, digest);
}

TEST_F(TokenizerCacheTest, SeesAFileThatAppearsOneLevelUp) {
  std::filesystem::create_directories(Folder(0));
  EXPECT_EQ(Open(0, 256).kind, "bytes");
  WriteFile(folder_ / "m/tokenizer.json", TinyTokenizerJson().dump());
  EXPECT_EQ(Open(0, 261).kind, "byte-level-bpe");
}

TEST_F(TokenizerCacheTest, KeepsTheLastEightTokenizersAndIdentifiesAll) {
  for (int i = 0; i < 10; ++i) {
    Write(i, i);
    Open(i);
  }
  EXPECT_EQ(cache_.parse_count(), 10);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Identify(i).kind, "byte-level-bpe");
  EXPECT_EQ(cache_.parse_count(), 10);
  EXPECT_NE(Open(9).tokenizer, nullptr);
  EXPECT_EQ(cache_.parse_count(), 10);
  EXPECT_NE(Open(0).tokenizer, nullptr);
  EXPECT_EQ(cache_.parse_count(), 11);
}

TEST_F(TokenizerCacheTest, NamesTheFileOfEachCheckpointThatCannotBeRead) {
  for (const int i : {0, 1}) WriteFile(Folder(i) + "/tokenizer.json", "{");
  for (const int i : {0, 1, 0, 1}) {
    EXPECT_THAT(Open(i).why_none, HasSubstr(Folder(i) + "/tokenizer.json"));
    EXPECT_EQ(Identify(i).kind, "none");
  }
  EXPECT_EQ(cache_.parse_count(), 1);
}

TEST_F(TokenizerCacheTest, JudgesEveryModelByItsOwnVocabulary) {
  Write(0, 0);
  EXPECT_EQ(Open(0, 262).kind, "byte-level-bpe");
  EXPECT_EQ(Open(0, 261).kind, "none");
  EXPECT_EQ(Identify(0, 261).kind, "none");
  EXPECT_EQ(Identify(0, 262).kind, "byte-level-bpe");
}

TEST_F(TokenizerCacheTest, TellsEqualIdsWithAnotherEndOfTextApart) {
  Write(0, 0);
  Write(1, 0);
  WriteFile(Folder(1) + "/tokenizer_config.json", R"({"eos_token": "token 0"})");
  EXPECT_EQ(Open(0).digest, Open(1).digest);
  EXPECT_EQ(Open(0).tokenizer->end_of_text(), std::nullopt);
  EXPECT_EQ(Open(1).tokenizer->end_of_text(), 261);
}

TEST_F(TokenizerCacheTest, MayBeUsedFromManyThreads) {
  for (int i = 0; i < 12; ++i) Write(i, i);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 36; ++i) {
        EXPECT_NE(Open(i % 12).tokenizer, nullptr);
        EXPECT_EQ(Identify((i + 5) % 12).kind, "byte-level-bpe");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace homolog::datasets
