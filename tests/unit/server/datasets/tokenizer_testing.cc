#include "tokenizer_testing.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "common/text.h"
#include "server/datasets/byte_alphabet.h"
#include "server/datasets/tokenizer_files.h"
#include "tests/support/temporary_folder.h"

namespace homolog::datasets {

using nlohmann::json;

std::string Golden(const std::string& name) {
  const char* data = std::getenv("HOMOLOG_TEST_DATA");
  EXPECT_NE(data, nullptr) << "HOMOLOG_TEST_DATA must be the folder tests";
  return testing::ReadFile(std::string(data) + "/golden/tokenizer/" + name);
}

json TinyTokenizerJson() {
  json vocab = json::object();
  for (int byte = 0; byte < 256; ++byte) vocab[ByteCharacter(static_cast<uint8_t>(byte))] = byte;
  vocab["he"] = 256;
  vocab["ll"] = 257;
  vocab["hell"] = 258;
  vocab["\u0120t"] = 259;
  vocab["\u0120th"] = 260;
  const json model = {{"type", "BPE"},
                      {"vocab", vocab},
                      {"merges", {"h e", "l l", "he ll", "\u0120 t", "\u0120t h"}}};
  return {{"model", model},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
          {"added_tokens", json::array()}};
}

json AddedTokenJson(int id, const std::string& content, const std::vector<std::string>& more) {
  json token = {{"id", id}, {"content", content}};
  for (const char* key : {"special", "normalized", "single_word", "lstrip", "rstrip"}) {
    token[key] = false;
  }
  for (const std::string& key : more) token[key] = true;
  return token;
}

std::shared_ptr<const ByteLevelBpe> Parse(std::string_view file) {
  const auto tokenizer = ParseTokenizerJson(file);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return std::dynamic_pointer_cast<const ByteLevelBpe>(tokenizer.value());
}

std::shared_ptr<const ByteLevelBpe> Parse(const json& file) {
  return Parse(std::string_view(file.dump()));
}

StreamLimits LookAlways() { return {.gathered = 1}; }

absl::StatusOr<Ids> Encode(const ByteLevelBpe& tokenizer, std::string_view text, size_t piece,
                           const StreamLimits& limits) {
  const auto encoder = tokenizer.NewEncoder(limits);
  Ids ids;
  for (size_t at = 0; at < text.size(); at += piece) {
    const absl::Status status = encoder->Encode(text.substr(at, piece), ids);
    if (!status.ok()) return status;
  }
  const absl::Status status = encoder->Finish(ids);
  if (!status.ok()) return status;
  return ids;
}

void ExpectIds(const ByteLevelBpe& tokenizer, std::string_view text, const Ids& ids) {
  SCOPED_TRACE(Quoted(text));
  for (const size_t piece : {size_t{1} << 30, size_t{1}, size_t{2}, size_t{5}, size_t{13}}) {
    for (const StreamLimits& limits : {StreamLimits(), LookAlways(), StreamLimits{.gathered = 9}}) {
      const absl::StatusOr<Ids> got = Encode(tokenizer, text, piece, limits);
      ASSERT_TRUE(got.ok()) << got.status();
      ASSERT_EQ(*got, ids) << "in pieces of " << piece << ", looking every " << limits.gathered;
    }
  }
}

std::string RandomText(uint32_t seed, size_t characters) {
  const std::vector<std::string> parts = {"a",
                                          "b",
                                          "the",
                                          "ing",
                                          "'s",
                                          "'ll",
                                          "'",
                                          "1",
                                          "42",
                                          " ",
                                          " ",
                                          " ",
                                          "  ",
                                          "\n",
                                          "\t",
                                          "\r\n",
                                          ".",
                                          ",",
                                          "!?",
                                          "\u00e9",
                                          "e\u0301",
                                          "\u0301",
                                          "\u4f60\u597d",
                                          "\uff0c",
                                          "\u3000",
                                          "\u00a0",
                                          "\u2028",
                                          "\u0085",
                                          "\u180e",
                                          "\U0001F600",
                                          "\u1112\u1161\u11ab",
                                          "\ud55c",
                                          "\u0661",
                                          "\u2167",
                                          "\u212b",
                                          "<",
                                          "<|",
                                          "<|endoftext|>",
                                          "|>",
                                          "=\u0338",
                                          "\u0f73\u0f71"};
  std::mt19937 random(seed);
  std::string text;
  for (size_t i = 0; i < characters; ++i) text += parts[random() % parts.size()];
  return text;
}

}  // namespace homolog::datasets
