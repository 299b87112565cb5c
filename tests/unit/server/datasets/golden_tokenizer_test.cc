// Ids as Hugging Face tokenizers gives them.
#include <gtest/gtest.h>
#include <unicode/normalizer2.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "server/datasets/byte_level_bpe.h"
#include "server/datasets/tokenizer_files.h"
#include "tests/support/temporary_folder.h"
#include "tokenizer_testing.h"

namespace homolog::datasets {
namespace {

// By ICU's UTF-16 interface, which the code under test does not use.
std::string Nfc(const std::string& text) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* nfc = icu::Normalizer2::getNFCInstance(error);
  std::string normalized;
  nfc->normalize(icu::UnicodeString::fromUTF8(text), error).toUTF8String(normalized);
  EXPECT_TRUE(U_SUCCESS(error));
  return normalized;
}

std::shared_ptr<const ByteLevelBpe> SmallTokenizer() {
  return Parse(std::string_view(Golden("small_bpe_tokenizer.json")));
}

class Gpt2TokenizerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("HOMOLOG_GPT2_VOCABULARY");
    ASSERT_NE(folder, nullptr)
        << "HOMOLOG_GPT2_VOCABULARY must be a folder that tests/support/fetch_gpt2_vocabulary.sh "
           "filled; ctest sets it";
    ASSERT_TRUE(std::filesystem::exists(std::filesystem::path(folder) / "merges.txt"))
        << folder << " has no merges.txt; run tests/support/fetch_gpt2_vocabulary.sh " << folder;
    vocab_ = testing::ReadFile(std::filesystem::path(folder) / "vocab.json");
    merges_ = testing::ReadFile(std::filesystem::path(folder) / "merges.txt");
    const auto parsed = ParseVocabFiles(vocab_, merges_);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    tokenizer_ = std::dynamic_pointer_cast<const ByteLevelBpe>(*parsed);
  }
  // The same as one tokenizer.json, the way the Hub has it.
  nlohmann::json AsTokenizerJson() const {
    nlohmann::json merges = nlohmann::json::array();
    for (size_t at = merges_.find('\n') + 1; at < merges_.size();) {
      const size_t end = merges_.find('\n', at);
      merges.push_back(merges_.substr(at, end - at));
      at = end + 1;
    }
    nlohmann::json file = TinyTokenizerJson();
    file["model"] = {{"dropout", nullptr},       {"unk_token", ""},
                     {"fuse_unk", false},        {"continuing_subword_prefix", ""},
                     {"end_of_word_suffix", ""}, {"vocab", nlohmann::json::parse(vocab_)},
                     {"merges", merges}};
    file["added_tokens"] =
        nlohmann::json::array({AddedTokenJson(50256, "<|endoftext|>", {"special", "normalized"})});
    return file;
  }

  std::string vocab_, merges_;
  std::shared_ptr<const ByteLevelBpe> tokenizer_;
};

void ExpectGoldenIds(const ByteLevelBpe& tokenizer, const std::string& file) {
  const nlohmann::json cases = nlohmann::json::parse(Golden(file))["cases"];
  ASSERT_GT(cases.size(), 100u);
  for (const nlohmann::json& golden : cases) {
    const auto text = golden["text"].get<std::string>();
    const auto ids = golden["ids"].get<Ids>();
    ExpectIds(tokenizer, text, ids);
    const auto decoded = tokenizer.Decode(ids);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(*decoded, tokenizer.nfc() ? Nfc(text) : text);
  }
}

TEST(SmallTokenizerTest, GivesTheGoldenIdsHoweverTheTextIsCut) {
  ExpectGoldenIds(*SmallTokenizer(), "small_bpe_cases.json");
}

TEST(SmallTokenizerTest, GivesTheSameIdsForRandomTextHoweverItIsCut) {
  const auto tokenizer = SmallTokenizer();
  for (uint32_t seed = 0; seed < 40; ++seed) {
    const std::string text = RandomText(seed, 300);
    const auto whole = Encode(*tokenizer, text);
    ASSERT_TRUE(whole.ok()) << whole.status();
    ExpectIds(*tokenizer, text, *whole);
    EXPECT_EQ(tokenizer->Decode(*whole).value(), Nfc(text));
  }
}

TEST(SmallTokenizerTest, SaysWhatItIs) {
  const auto tokenizer = SmallTokenizer();
  EXPECT_EQ(tokenizer->kind(), "byte-level-bpe");
  EXPECT_EQ(tokenizer->vocabulary_size(), 700);
  EXPECT_EQ(tokenizer->end_of_text(), 0);
}

TEST_F(Gpt2TokenizerTest, GivesTheGoldenIdsHoweverTheTextIsCut) {
  ExpectGoldenIds(*tokenizer_, "gpt2_bpe_cases.json");
}

TEST_F(Gpt2TokenizerTest, GivesTheSameIdsForRandomTextHoweverItIsCut) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    const std::string text = RandomText(1000 + seed, 300);
    const auto whole = Encode(*tokenizer_, text);
    ASSERT_TRUE(whole.ok()) << whole.status();
    ExpectIds(*tokenizer_, text, *whole);
    EXPECT_EQ(tokenizer_->Decode(*whole).value(), text);
  }
}

TEST_F(Gpt2TokenizerTest, SaysWhatItIs) {
  EXPECT_EQ(tokenizer_->vocabulary_size(), 50257);
  EXPECT_EQ(tokenizer_->end_of_text(), 50256);
}

TEST_F(Gpt2TokenizerTest, IsTheSameFromOneFileAsFromTwo) {
  const auto one = Parse(AsTokenizerJson());
  EXPECT_EQ(one->digest(), tokenizer_->digest());
  ExpectGoldenIds(*one, "gpt2_bpe_cases.json");
  nlohmann::json other = AsTokenizerJson();
  other["pre_tokenizer"]["add_prefix_space"] = true;
  EXPECT_NE(Parse(other)->digest(), tokenizer_->digest());
}

}  // namespace
}  // namespace homolog::datasets
