#include "server/datasets/tokenizer_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "tokenizer_testing.h"

namespace homolog::datasets {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

using Change = std::function<void(json&)>;

void ExpectRefused(const absl::Status& status, const std::string& reason,
                   const std::vector<std::string>& parts) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(status), reason) << status;
  for (const std::string& part : parts) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
}

void ExpectRefused(const std::string& reason, const Change& change,
                   const std::vector<std::string>& parts) {
  json file = TinyTokenizerJson();
  change(file);
  ExpectRefused(ParseTokenizerJson(file.dump()).status(), reason, parts);
}

void ExpectAccepted(const Change& change) {
  json file = TinyTokenizerJson();
  change(file);
  const absl::Status status = ParseTokenizerJson(file.dump()).status();
  EXPECT_TRUE(status.ok()) << status;
}

TEST(TokenizerJsonTest, RefusesOtherKindsOfTokenizerByName) {
  const std::string reason = "UNSUPPORTED_TOKENIZER";
  ExpectRefused(reason, [](json& f) { f["model"]["type"] = "Unigram"; }, {"Unigram", "BPE"});
  ExpectRefused(reason, [](json& f) { f["model"]["byte_fallback"] = true; }, {"byte_fallback"});
  ExpectRefused(reason, [](json& f) { f["model"]["dropout"] = 0.1; }, {"dropout"});
  ExpectRefused(reason, [](json& f) { f["model"]["end_of_word_suffix"] = "</w>"; },
                {"end_of_word_suffix", "</w>"});
  ExpectRefused(reason, [](json& f) { f["model"]["continuing_subword_prefix"] = "##"; },
                {"continuing_subword_prefix", "##"});
  ExpectRefused(reason,
                [](json& f) {
                  f["normalizer"] = {{"type", "Lowercase"}};
                },
                {"normalizer", "Lowercase", "NFC"});
  ExpectRefused(reason, [](json& f) { f["pre_tokenizer"]["type"] = "Metaspace"; },
                {"pre_tokenizer", "Metaspace", "ByteLevel"});
  ExpectRefused(reason, [](json& f) { f["pre_tokenizer"] = nullptr; }, {"pre_tokenizer", "null"});
  ExpectRefused(reason,
                [](json& f) {
                  f["decoder"] = {{"type", "WordPiece"}};
                },
                {"decoder", "WordPiece"});
}

TEST(TokenizerJsonTest, RefusesSequencesWithAnythingElseInThem) {
  const json nfc = {{"type", "NFC"}}, split = {{"type", "Split"}}, bytes = {{"type", "ByteLevel"}};
  const auto normalizers = [](json steps) {
    return json{{"type", "Sequence"}, {"normalizers", std::move(steps)}};
  };
  const auto pre_tokenizers = [](json steps) {
    return json{{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
  };
  ExpectAccepted([&](json& f) { f["normalizer"] = normalizers(json::array({nfc})); });
  ExpectAccepted([&](json& f) { f["normalizer"] = normalizers(json::array()); });
  ExpectAccepted([&](json& f) { f["pre_tokenizer"] = pre_tokenizers(json::array({bytes})); });
  ExpectRefused("UNSUPPORTED_TOKENIZER",
                [&](json& f) {
                  f["normalizer"] = normalizers(json::array({nfc, {{"type", "NFKC"}}}));
                },
                {"NFKC"});
  ExpectRefused("UNSUPPORTED_TOKENIZER",
                [&](json& f) {
                  f["pre_tokenizer"] = pre_tokenizers(json::array({split, bytes}));
                },
                {"2 steps"});
  ExpectRefused("MALFORMED_TOKENIZER", [&](json& f) { f["normalizer"] = normalizers(json(1)); },
                {"normalizers", "number"});
}

TEST(TokenizerJsonTest, AcceptsWhatDoesNotChangeIds) {
  ExpectAccepted([](json& f) {
    f["version"] = "1.0";
    f["truncation"] = {{"max_length", 512}};
    f["padding"] = {{"strategy", "BatchLongest"}};
    f["post_processor"] = {{"type", "TemplateProcessing"}};
    f["decoder"] = {{"type", "ByteLevel"}};
    f["model"]["dropout"] = 0.0;
    f["model"]["continuing_subword_prefix"] = "";
    f["model"]["end_of_word_suffix"] = "";
  });
  ExpectAccepted([](json& f) { f["model"].erase("type"); });
  ExpectAccepted([](json& f) { f.erase("added_tokens"); });
}

TEST(TokenizerJsonTest, RefusesValuesOfTheWrongType) {
  const std::string reason = "MALFORMED_TOKENIZER";
  const std::vector<std::pair<Change, std::string>> changes = {
      {[](json& f) { f["model"] = "BPE"; }, "model is of type string"},
      {[](json& f) { f["model"]["vocab"] = json::array(); }, "vocab is of type array"},
      {[](json& f) { f["model"]["vocab"]["a"] = "1"; }, "the id of \"a\" is of type string"},
      {[](json& f) { f["model"]["vocab"]["a"] = 1.5; }, "the id of \"a\" is of type number"},
      {[](json& f) { f["model"]["merges"] = "h e"; }, "merges is of type string"},
      {[](json& f) { f["model"]["merges"][1] = 3; }, "merge 1"},
      {[](json& f) { f["model"]["merges"][1] = json::array({"a"}); }, "merge 1"},
      {[](json& f) {
         f["model"]["merges"][1] = json::array({"a", "b", "c"});
       },
       "merge 1"},
      {[](json& f) { f["model"]["unk_token"] = 1; }, "unk_token is of type number"},
      {[](json& f) { f["model"]["fuse_unk"] = 1; }, "fuse_unk is of type number"},
      {[](json& f) { f["normalizer"] = "NFC"; }, "normalizer is of type string"},
      {[](json& f) { f["normalizer"] = json::object(); }, "normalizer has no type"},
      {[](json& f) { f["pre_tokenizer"]["use_regex"] = "no"; }, "use_regex is of type string"},
      {[](json& f) { f["added_tokens"] = json::object(); }, "added_tokens is of type object"},
      {[](json& f) { f["added_tokens"] = {"x"}; }, "element of added_tokens is of type string"},
      {[](json& f) {
         f["added_tokens"][0] = {{"content", "x"}};
       },
       "id of the added token \"x\""},
  };
  for (const auto& [change, part] : changes) ExpectRefused(reason, change, {part});
}

TEST(TokenizerJsonTest, RefusesMergesThatAreNotTwoTokens) {
  for (const std::string merge : {"", "he", " he", "he ", "h e l", "h  e"}) {
    ExpectRefused("MALFORMED_TOKENIZER", [&](json& f) { f["model"]["merges"][2] = merge; },
                  {absl::StrCat("merge 2 is \"", merge, "\"")});
  }
}

TEST(TokenizerJsonTest, RefusesMergesOutsideTheVocabulary) {
  ExpectRefused("MALFORMED_TOKENIZER", [](json& f) { f["model"]["merges"][4] = "h l"; },
                {"merge 4", "\"h\"", "\"l\"", "\"hl\" is not in the vocabulary"});
}

TEST(TokenizerJsonTest, RefusesIdsOutOfRangeOrTwice) {
  for (const json& id : {json(-1), json(1 << 24), json(uint64_t{1} << 63), json(-1e30)}) {
    ExpectRefused("MALFORMED_TOKENIZER", [&](json& f) { f["model"]["vocab"]["he"] = id; },
                  {"the id of \"he\""});
  }
  ExpectRefused("MALFORMED_TOKENIZER", [](json& f) { f["model"]["vocab"]["he"] = 257; },
                {"\"he\"", "\"ll\"", "the same id, 257"});
}

TEST(TokenizerJsonTest, AcceptsVocabularyThatIsNotOfTheByteAlphabet) {
  json file = TinyTokenizerJson();
  file["model"]["vocab"]["a b"] = 261;
  file["model"]["vocab"]["\u4f60"] = 262;
  const auto tokenizer = Parse(file);
  ExpectIds(*tokenizer, "a b", {'a', ' ', 'b'});
  EXPECT_EQ(tokenizer->Decode({262}).value(), "\u4f60");
}

TEST(TokenizerJsonTest, RefusesAddedTokensThatContradictTheVocabularyOrEachOther) {
  const auto with = [](std::vector<json> tokens) {
    return [=](json& f) { f["added_tokens"] = tokens; };
  };
  const std::string reason = "MALFORMED_TOKENIZER";
  ExpectAccepted(with({AddedTokenJson(256, "he"), AddedTokenJson(261, "x y")}));
  ExpectRefused(reason, with({AddedTokenJson(261, "he")}), {"\"he\" has the id 261", "be 256"});
  ExpectRefused(reason, with({AddedTokenJson(262, "x y")}), {"\"x y\" has the id 262", "be 261"});
  ExpectRefused(reason, with({AddedTokenJson(261, "x"), AddedTokenJson(261, "x")}),
                {"the id 261", "its id in the vocabulary"});
  ExpectRefused(reason, with({AddedTokenJson(261, "x y"), AddedTokenJson(261, "y z")}),
                {"\"y z\"", "must be 262"});
  ExpectRefused(reason, with({AddedTokenJson(261, "x y"), AddedTokenJson(261, "x y")}), {"twice"});
  ExpectRefused(reason, with({AddedTokenJson(261, "")}), {"no content"});
  ExpectRefused("UNSUPPORTED_TOKENIZER", with({AddedTokenJson(261, std::string(257, 'x'))}),
                {"257 bytes", "256"});
}

TEST(TokenizerJsonTest, RefusesWhatIsNoJsonObject) {
  for (const std::string text : {"", "{", "[]", "null", "\xFF", "{\"model\":\"\\ud800\"}"}) {
    ExpectRefused(ParseTokenizerJson(text).status(), "MALFORMED_TOKENIZER", {"tokenizer.json"});
  }
  ExpectRefused(ParseTokenizerJson(std::string(1000, '[')).status(), "MALFORMED_TOKENIZER",
                {"nested"});
}

TEST(TokenizerJsonTest, RefusesOrReadsEveryCutOfAFile) {
  const std::string file = TinyTokenizerJson().dump();
  for (size_t size = 0; size < file.size(); size += 7) {
    EXPECT_EQ(ErrorReason(ParseTokenizerJson(file.substr(0, size)).status()),
              "MALFORMED_TOKENIZER");
  }
}

TEST(TokenizerJsonTest, TakesTheEndOfTextFromTheVocabularyOrTheConfig) {
  json file = TinyTokenizerJson();
  const auto end_of_text = [&](const std::string& config) {
    const auto tokenizer = ParseTokenizerJson(file.dump(), config);
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
    return (*tokenizer)->end_of_text();
  };
  EXPECT_EQ(end_of_text(""), std::nullopt);
  EXPECT_EQ(end_of_text(R"({"eos_token": "hell"})"), 258);
  EXPECT_EQ(end_of_text(R"({"eos_token": {"content": "hell", "lstrip": false}})"), 258);
  EXPECT_EQ(end_of_text(R"({"eos_token": null})"), std::nullopt);
  EXPECT_EQ(end_of_text(R"({"eos_token": "</s>"})"), std::nullopt);
  file["added_tokens"].push_back(AddedTokenJson(261, "<|endoftext|>"));
  EXPECT_EQ(end_of_text(R"({"eos_token": "hell"})"), 261);
  for (const std::string config : {"[]", "{", R"({"eos_token": 3})"}) {
    EXPECT_EQ(ErrorReason(ParseTokenizerJson(file.dump(), config).status()), "MALFORMED_TOKENIZER");
  }
}

class VocabFilesTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::shared_ptr<const Tokenizer>> ParseFiles() {
    return ParseVocabFiles(vocab_.dump(), merges_, added_, config_);
  }
  Ids EncodeText(const std::string& text) {
    const auto tokenizer = ParseFiles();
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
    return Encode(dynamic_cast<const ByteLevelBpe&>(**tokenizer), text).value();
  }
  json vocab_ = TinyTokenizerJson()["model"]["vocab"];
  std::string merges_ = "#version: 0.2\nh e\nl l\nhe ll\n\u0120 t\n\u0120t h\n";
  std::string added_, config_;
};

TEST_F(VocabFilesTest, ReadsVocabularyAndMerges) {
  EXPECT_EQ(EncodeText("hell th"), (Ids{258, 260}));
  EXPECT_EQ((*ParseFiles())->digest(), Parse(TinyTokenizerJson())->digest());
  EXPECT_EQ((*ParseFiles())->end_of_text(), std::nullopt);
}

TEST_F(VocabFilesTest, ReadsLinesOfEveryKind) {
  merges_ = "h e\r\nl l\r\nhe ll\r\n\u0120 t\r\n\u0120t h";
  EXPECT_EQ(EncodeText("hell th"), (Ids{258, 260}));
}

TEST_F(VocabFilesTest, MakesTheEndOfTextAnAddedToken) {
  vocab_["<|endoftext|>"] = 261;
  EXPECT_EQ(EncodeText("a<|endoftext|>b"), (Ids{'a', 261, 'b'}));
  EXPECT_EQ((*ParseFiles())->end_of_text(), 261);
}

TEST_F(VocabFilesTest, ReadsAddedTokensAndTheConfig) {
  added_ = R"({"<b>": 262, "<a>": 261})";
  config_ = R"({"eos_token": "<b>", "add_prefix_space": true})";
  EXPECT_EQ(EncodeText("th<a>th<b>"), (Ids{260, 261, 260, 262}));
  EXPECT_EQ((*ParseFiles())->end_of_text(), 262);
  EXPECT_EQ((*ParseFiles())->vocabulary_size(), 263);
}

TEST_F(VocabFilesTest, RefusesWhatIsMalformed) {
  merges_ = "h e\n\nl l\n";
  ExpectRefused(ParseFiles().status(), "MALFORMED_TOKENIZER", {"merge 1 is \"\""});
  merges_ = "h \xFF\n";
  ExpectRefused(ParseFiles().status(), "MALFORMED_TOKENIZER", {"merges.txt", "UTF-8"});
  merges_ = "h x\n";
  ExpectRefused(ParseFiles().status(), "MALFORMED_TOKENIZER", {"merge 0", "\"hx\""});
  merges_ = "";
  added_ = R"({"<a>": 300})";
  ExpectRefused(ParseFiles().status(), "MALFORMED_TOKENIZER", {"\"<a>\"", "300", "261"});
  added_ = "3";
  ExpectRefused(ParseFiles().status(), "MALFORMED_TOKENIZER", {"added_tokens.json"});
  added_ = "";
  vocab_ = json::array();
  ExpectRefused(ParseFiles().status(), "MALFORMED_TOKENIZER", {"vocab.json"});
}

}  // namespace
}  // namespace homolog::datasets
