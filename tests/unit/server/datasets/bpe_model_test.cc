#include "server/datasets/bpe_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "common/error.h"
#include "server/datasets/byte_alphabet.h"

namespace homolog::datasets {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Ids = std::vector<int32_t>;

// Letters a to d and random merges of what is there already.
BpeDefinition RandomDefinition(uint32_t seed, size_t merges) {
  std::mt19937 random(seed);
  BpeDefinition definition;
  std::vector<std::string> tokens = {"a", "b", "c", "d"};
  for (const std::string& token : tokens) definition.vocabulary.emplace(token, token[0] - 'a');
  while (definition.merges.size() < merges) {
    const std::string left = tokens[random() % tokens.size()];
    const std::string right = tokens[random() % tokens.size()];
    const auto id = static_cast<int32_t>(definition.vocabulary.size());
    if (!definition.vocabulary.emplace(left + right, id).second) continue;
    definition.merges.emplace_back(left, right);
    tokens.push_back(left + right);
  }
  return definition;
}

// As the definition says it: look at all neighbours, join the earliest merge's leftmost place.
Ids NaiveEncode(const BpeDefinition& definition, const std::string& piece) {
  std::vector<std::string> symbols;
  for (const char c : piece) symbols.emplace_back(1, c);
  for (;;) {
    size_t best = definition.merges.size(), place = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      for (size_t rank = 0; rank < best; ++rank) {
        if (definition.merges[rank] != std::pair(symbols[i], symbols[i + 1])) continue;
        best = rank;
        place = i;
      }
    }
    if (best == definition.merges.size()) break;
    symbols[place] += symbols[place + 1];
    symbols.erase(symbols.begin() + static_cast<int64_t>(place) + 1);
  }
  Ids ids;
  for (const std::string& symbol : symbols) ids.push_back(definition.vocabulary.at(symbol));
  return ids;
}

Ids Encode(const BpeModel& model, const std::string& piece) {
  BpeScratch scratch;
  Ids ids;
  model.Encode(piece, scratch, ids);
  return ids;
}

Ids Encode(const BpeDefinition& definition, const std::string& piece) {
  const auto model = BpeModel::Create(definition);
  EXPECT_TRUE(model.ok()) << model.status();
  return Encode(*model, piece);
}

BpeDefinition Letters(std::vector<std::string> tokens) {
  BpeDefinition definition;
  for (const std::string& token : tokens) {
    definition.vocabulary.emplace(token, static_cast<int32_t>(definition.vocabulary.size()));
  }
  return definition;
}

TEST(BpeModelTest, MergesAsTheDefinitionSays) {
  for (uint32_t seed = 0; seed < 30; ++seed) {
    const BpeDefinition definition = RandomDefinition(seed, 25);
    const auto model = BpeModel::Create(definition);
    ASSERT_TRUE(model.ok()) << model.status();
    std::mt19937 random(seed);
    for (int i = 0; i < 60; ++i) {
      std::string piece(random() % 40, 'a');
      for (char& c : piece) c = static_cast<char>('a' + random() % 4);
      EXPECT_EQ(Encode(*model, piece), NaiveEncode(definition, piece)) << piece;
    }
  }
}

TEST(BpeModelTest, MergesAPieceOfAMillionBytes) {
  BpeDefinition definition = Letters({"a", "aa", "aaaa"});
  definition.merges = {{"a", "a"}, {"aa", "aa"}};
  const Ids ids = Encode(definition, std::string(1000003, 'a'));
  EXPECT_EQ(ids.size(), 250002u);  // the last three are "aa" and "a"
}

TEST(BpeModelTest, TakesTheLastRankOfAMergeThatStandsTwice) {
  BpeDefinition definition = Letters({"a", "b", "c", "ab", "bc"});
  definition.merges = {{"a", "b"}, {"b", "c"}};
  EXPECT_THAT(Encode(definition, "abc"), ElementsAre(3, 2));
  definition.merges.emplace_back("a", "b");
  EXPECT_THAT(Encode(definition, "abc"), ElementsAre(0, 4));
}

TEST(BpeModelTest, GivesAWholePieceItsOwnIdWithIgnoreMerges) {
  BpeDefinition definition = Letters({"a", "b", "c", "ab", "abc"});
  definition.merges = {{"a", "b"}};
  EXPECT_THAT(Encode(definition, "abc"), ElementsAre(3, 2));
  definition.ignore_merges = true;
  EXPECT_THAT(Encode(definition, "abc"), ElementsAre(4));
  EXPECT_THAT(Encode(definition, "abca"), ElementsAre(3, 2, 0));
}

TEST(BpeModelTest, PutsUnkForBytesWithoutAToken) {
  BpeDefinition definition = Letters({"a", "b", "?", "ab"});
  definition.merges = {{"a", "b"}};
  EXPECT_THAT(Encode(definition, "axyb"), ElementsAre(3)) << "without unk_token they are dropped";
  definition.unk_token = "?";
  EXPECT_THAT(Encode(definition, "axyb"), ElementsAre(0, 2, 2, 1));
  definition.fuse_unk = true;
  EXPECT_THAT(Encode(definition, "axybz"), ElementsAre(0, 2, 1, 2));
}

TEST(BpeModelTest, RefusesAnUnkTokenThatIsNeededAndNotThere) {
  BpeDefinition definition = Letters({"a"});
  definition.unk_token = "<unk>";
  const absl::Status status = BpeModel::Create(definition).status();
  EXPECT_EQ(ErrorReason(status), "MALFORMED_TOKENIZER");
  EXPECT_THAT(std::string(status.message()), HasSubstr("<unk>"));
  for (int byte = 0; byte < 256; ++byte) {
    definition.vocabulary[ByteCharacter(static_cast<uint8_t>(byte))] = byte;
  }
  EXPECT_TRUE(BpeModel::Create(definition).ok()) << "every byte has a token";
}

TEST(BpeModelTest, RefusesAMergeOutsideTheVocabularyNamingIt) {
  for (const auto& [left, right] :
       std::vector<std::pair<std::string, std::string>>{{"x", "b"}, {"a", "x"}, {"b", "a"}}) {
    BpeDefinition definition = Letters({"a", "b", "ab", "xb", "ax"});
    definition.merges = {{"a", "b"}, {left, right}};
    const absl::Status status = BpeModel::Create(definition).status();
    EXPECT_EQ(ErrorReason(status), "MALFORMED_TOKENIZER");
    EXPECT_THAT(std::string(status.message()),
                HasSubstr(absl::StrCat("merge 1 joins \"", left, "\" and \"", right, "\"")));
  }
}

}  // namespace
}  // namespace homolog::datasets
