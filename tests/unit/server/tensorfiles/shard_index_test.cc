#include "server/tensorfiles/shard_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "common/error.h"

namespace homolog::tensorfiles {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

void ExpectMalformed(const std::string& text, const std::string& problem) {
  const absl::Status status = ParseShardIndex(text, ".bin").status();
  EXPECT_EQ(ErrorReason(status), "MALFORMED_INDEX") << text.substr(0, 100);
  EXPECT_THAT(std::string(status.message()), HasSubstr(problem));
}

std::string Map(const nlohmann::json& map) { return nlohmann::json{{"weight_map", map}}.dump(); }

TEST(ShardIndexTest, ReadsWhichFileHoldsWhichTensor) {
  const auto index = ParseShardIndex(
      R"({"metadata": {"total_size": 8}, "weight_map": {"a": "1.bin", "b": "2.bin", "c": "1.bin"}})",
      ".bin");
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_THAT(index->files,
              ElementsAre(Pair("a", "1.bin"), Pair("b", "2.bin"), Pair("c", "1.bin")));
}

TEST(ShardIndexTest, RefusesFilesThatLeadOutOfTheFolderOrAreOthers) {
  for (const std::string file : {"../x.bin", "/etc/x.bin", "a/x.bin", "..", ".bin", "",
                                 "x.safetensors", ".x.bin", "..\\x.bin", "x.bin/", "x.BIN"}) {
    ExpectMalformed(Map({{"w", file}}), "must be the name of a file *.bin in the same folder");
  }
  ExpectMalformed(Map({{"w", std::string("x\0.bin", 6)}}), "must be the name");
  ExpectMalformed(Map({{"w", 3}}), "is no string");
  ExpectMalformed(Map({{"w", nlohmann::json::array({"x.bin"})}}), "is no string");
}

TEST(ShardIndexTest, RefusesWhatIsNoIndex) {
  for (const std::string text : {"", "{", "nothing", "{} {}"}) ExpectMalformed(text, "valid JSON");
  for (const std::string text : {"[]", "3", "{}", R"({"weight_map": []})", R"({"weight_map": {}})",
                                 R"({"weight_map": null})"}) {
    ExpectMalformed(text, "\"weight_map\"");
  }
}

TEST(ShardIndexTest, RefusesTooManyShards) {
  nlohmann::json map;
  for (size_t i = 0; i < kMaxShards; ++i) {
    map[std::to_string(i)] = std::to_string(i) + ".bin";
  }
  EXPECT_TRUE(ParseShardIndex(Map(map), ".bin").ok());
  map["one more"] = "more.bin";
  ExpectMalformed(Map(map), "more than 256 shards");
}

TEST(ShardIndexTest, RefusesEveryTruncation) {
  const std::string text = Map({{"a", "1.bin"}, {"b", "2.bin"}});
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(ParseShardIndex(text.substr(0, size), ".bin").ok()) << size;
  }
}

}  // namespace
}  // namespace homolog::tensorfiles
