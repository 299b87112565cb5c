#include "server/tensorfiles/tensor_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "common/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/server/tensorfiles/torch_bytes.h"

namespace homolog::tensorfiles {
namespace {

namespace fs = std::filesystem;
using ::homolog::testing::Little;
using ::homolog::testing::PickleOf;
using ::homolog::testing::ReadFile;
using ::homolog::testing::StateDictProgram;
using ::homolog::testing::TemporaryFolder;
using ::homolog::testing::TorchFile;
using ::homolog::testing::TorchTensor;
using ::homolog::testing::WriteFile;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

// Tensors of one float each: names to the four bytes.
using Floats = std::map<std::string, std::string>;

std::string SafetensorsOf(const Floats& floats) {
  nlohmann::json header = nlohmann::json::object();
  std::string data;
  for (const auto& [name, bytes] : floats) {
    header[name] = {
        {"dtype", "F32"}, {"shape", {1}}, {"data_offsets", {data.size(), data.size() + 4}}};
    data += bytes;
  }
  return Little(header.dump().size(), 8) + header.dump() + data;
}

std::string TorchOf(const Floats& floats) {
  std::vector<TorchTensor> tensors;
  std::map<std::string, std::string> storages;
  for (const auto& [name, bytes] : floats) {
    const std::string key = std::to_string(storages.size());
    tensors.push_back({.name = name, .shape = {1}, .strides = {1}, .storage = key, .elements = 1});
    storages[key] = bytes;
  }
  return TorchFile(PickleOf(StateDictProgram(tensors)), storages);
}

std::string IndexOf(const Floats& files) { return nlohmann::json{{"weight_map", files}}.dump(); }

class TensorFilesTest : public ::testing::Test {
 protected:
  std::string Folder() { return folder_.path().string(); }
  void Write(const std::string& name, const std::string& bytes) {
    // File systems sync what replaces a file's bytes in place: thousands of writes would take long.
    fs::remove(folder_ / name);
    WriteFile(folder_ / name, bytes);
  }
  // Every tensor's bytes by name, or the error.
  absl::StatusOr<Floats> Read() {
    const auto files = TensorFiles::Open(Folder());
    if (!files.ok()) return files.status();
    Floats floats;
    for (const TensorEntry& entry : files->entries()) {
      std::string scratch;
      floats[entry.name] = files->Elements(entry, 0, *ElementCount(entry.shape), scratch);
      files->Release(entry);
    }
    return floats;
  }
  void ExpectRefused(const std::string& reason, const std::string& problem) {
    const absl::Status status = TensorFiles::Open(Folder()).status();
    EXPECT_EQ(ErrorReason(status), reason) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(problem));
  }
  void WriteShards(const std::string& stem, const std::string& suffix,
                   std::string (*file)(const Floats&)) {
    Write("s1" + suffix, file({{"a", "1111"}, {"c", "3333"}}));
    Write("s2" + suffix, file({{"b", "2222"}}));
    Write(stem + suffix + ".index.json",
          IndexOf({{"a", "s1" + suffix}, {"b", "s2" + suffix}, {"c", "s1" + suffix}}));
  }

  TemporaryFolder folder_;
};

TEST_F(TensorFilesTest, OpensTheFirstThatIsThereInTheOrderOfTransformers) {
  ExpectRefused("WEIGHTS_NOT_FOUND", Folder());
  ExpectRefused("WEIGHTS_NOT_FOUND",
                "model.safetensors, model.safetensors.index.json, pytorch_model.bin or "
                "pytorch_model.bin.index.json");
  Write("t.bin", TorchOf({{"x", "4444"}}));
  Write("pytorch_model.bin.index.json", IndexOf({{"x", "t.bin"}}));
  EXPECT_THAT(*Read(), ElementsAre(Pair("x", "4444")));
  Write("pytorch_model.bin", TorchOf({{"x", "3333"}}));
  EXPECT_THAT(*Read(), ElementsAre(Pair("x", "3333")));
  Write("s.safetensors", SafetensorsOf({{"x", "2222"}}));
  Write("model.safetensors.index.json", IndexOf({{"x", "s.safetensors"}}));
  EXPECT_THAT(*Read(), ElementsAre(Pair("x", "2222")));
  Write("model.safetensors", SafetensorsOf({{"x", "1111"}}));
  EXPECT_THAT(*Read(), ElementsAre(Pair("x", "1111")));
}

TEST_F(TensorFilesTest, ReadsShardsOfBothFormats) {
  WriteShards("pytorch_model", ".bin", TorchOf);
  EXPECT_THAT(*Read(), ElementsAre(Pair("a", "1111"), Pair("b", "2222"), Pair("c", "3333")));
  fs::remove(folder_ / "pytorch_model.bin.index.json");
  WriteShards("model", ".safetensors", SafetensorsOf);
  EXPECT_THAT(*Read(), ElementsAre(Pair("a", "1111"), Pair("b", "2222"), Pair("c", "3333")));
}

TEST_F(TensorFilesTest, HoldsTheIndexAgainstTheShards) {
  WriteShards("model", ".safetensors", SafetensorsOf);
  const std::string index = "model.safetensors.index.json";
  const std::string one = "s1.safetensors", two = "s2.safetensors";
  Write(index, IndexOf({{"a", one}, {"b", two}, {"c", two}}));
  ExpectRefused("MALFORMED_INDEX", "says to be in \"s2.safetensors\"");
  Write(index, IndexOf({{"a", one}, {"b", two}}));
  ExpectRefused("MALFORMED_INDEX", "\"c\", which the index does not name");
  Write(index, IndexOf({{"a", one}, {"b", two}, {"c", one}, {"d", "s3.safetensors"}}));
  ExpectRefused("MALFORMED_INDEX", "the shard \"s3.safetensors\" is not in");
  Write(index, IndexOf({{"a", "../" + one}}));
  ExpectRefused("MALFORMED_INDEX", "model.safetensors.index.json: ");
  Write(index, "{");
  ExpectRefused("MALFORMED_INDEX", "model.safetensors.index.json: ");
}

// Converters leave copies of tied weights out of the shards, but not out of the index.
TEST_F(TensorFilesTest, LeavesATensorToTheModelThatOnlyTheIndexNames) {
  WriteShards("model", ".safetensors", SafetensorsOf);
  Write("model.safetensors.index.json", IndexOf({{"a", "s1.safetensors"},
                                                 {"b", "s2.safetensors"},
                                                 {"c", "s1.safetensors"},
                                                 {"d", "s2.safetensors"}}));
  EXPECT_THAT(*Read(), ElementsAre(Pair("a", "1111"), Pair("b", "2222"), Pair("c", "3333")));
}

TEST_F(TensorFilesTest, RefusesTensorsInTwoShards) {
  WriteShards("model", ".safetensors", SafetensorsOf);
  Write("s2.safetensors", SafetensorsOf({{"a", "9999"}, {"b", "2222"}}));
  ExpectRefused("MALFORMED_INDEX", "holds the tensor \"a\"");
}

TEST_F(TensorFilesTest, NamesTheFileThatIsDamaged) {
  WriteShards("pytorch_model", ".bin", TorchOf);
  Write("s2.bin", "short");
  ExpectRefused("MALFORMED_ZIP", "s2.bin: ");
  Write("pytorch_model.bin", "short");
  ExpectRefused("MALFORMED_ZIP", "pytorch_model.bin: ");
  Write("model.safetensors", "short");
  ExpectRefused("MALFORMED_SAFETENSORS", "model.safetensors: ");
}

TEST_F(TensorFilesTest, SaysWhatToDoAboutPointersOfGitLfs) {
  const std::string pointer =
      "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 548118077\n";
  for (const std::string name : {"pytorch_model.bin.index.json", "pytorch_model.bin",
                                 "model.safetensors.index.json", "model.safetensors"}) {
    Write(name, pointer);
    ExpectRefused("GIT_LFS_POINTER", "git lfs pull");
    ExpectRefused("GIT_LFS_POINTER", name + ": ");
  }
}

TEST_F(TensorFilesTest, RefusesEveryTruncation) {
  const std::map<std::string, std::string> files = {
      {"model.safetensors", SafetensorsOf({{"a", "1111"}, {"b", "2222"}})},
      {"pytorch_model.bin", TorchOf({{"a", "1111"}})},
      {"model.safetensors.index.json", IndexOf({{"a", "s1.safetensors"}})}};
  for (const auto& [name, bytes] : files) {
    Write("s1.safetensors", SafetensorsOf({{"a", "1111"}}));
    for (size_t size = 0; size < bytes.size(); ++size) {
      Write(name, bytes.substr(0, size));
      EXPECT_FALSE(TensorFiles::Open(Folder()).ok()) << name << " " << size;
    }
    fs::remove(folder_ / name);
  }
}

TEST_F(TensorFilesTest, SurvivesBytesThatAreChanged) {
  std::mt19937 random(3);
  const std::string bytes = SafetensorsOf({{"a", "1111"}, {"b", "2222"}});
  for (int i = 0; i < 2000; ++i) {
    std::string changed = bytes;
    changed[random() % changed.size()] ^= static_cast<char>(1 << random() % 8);
    Write("model.safetensors", changed);
    Read().status().IgnoreError();
  }
}

TEST_F(TensorFilesTest, KnowsTheSignatureOfWhatItOpened) {
  WriteShards("model", ".safetensors", SafetensorsOf);
  Write("other.safetensors", "whatever");
  const auto files = TensorFiles::Open(Folder());
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(files->signature(), TensorFiles::Signature(Folder()));
  EXPECT_TRUE(files->Unchanged());
}

TEST_F(TensorFilesTest, ChangesItsSignatureWithEveryFileThatMatters) {
  std::vector<std::string> seen = {TensorFiles::Signature(Folder())};
  auto expect_another = [&](const std::string& what) {
    const std::string now = TensorFiles::Signature(Folder());
    EXPECT_EQ(now, TensorFiles::Signature(Folder()));
    EXPECT_THAT(seen, ::testing::Not(::testing::Contains(now))) << what;
    seen.push_back(now);
  };
  WriteShards("pytorch_model", ".bin", TorchOf);
  expect_another("shards");
  Write("s2.bin", TorchOf({{"b", "longer"}}));
  expect_another("a shard replaced");
  Write("pytorch_model.bin.index.json", IndexOf({{"a", "s1.bin"}}));
  expect_another("the index replaced");
  Write("s3.bin", "x");
  expect_another("a shard added");
  fs::remove(folder_ / "s3.bin");
  fs::last_write_time(folder_ / "s1.bin", fs::file_time_type::clock::now() + std::chrono::hours(1));
  expect_another("a shard written to");
  Write("pytorch_model.bin", "x");
  expect_another("a whole file");
  Write("model.safetensors", "x");
  expect_another("a file that goes before");
  Write("s4.bin", "x");
  EXPECT_EQ(TensorFiles::Signature(Folder()), seen.back()) << "a file that nobody reads";
}

TEST_F(TensorFilesTest, KnowsThatAShardWasWrittenTo) {
  WriteShards("model", ".safetensors", SafetensorsOf);
  for (const char* name : {"s1.safetensors", "s2.safetensors", "model.safetensors.index.json"}) {
    const auto files = TensorFiles::Open(Folder());
    ASSERT_TRUE(files.ok());
    const fs::path path = folder_ / name;
    fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(1));
    EXPECT_FALSE(files->Unchanged()) << name;
  }
}

// What PyTorch and safetensors wrote of the same weights.
TEST_F(TensorFilesTest, ReadsTheSameWeightsFromGoldenFilesOfBothFormats) {
  const std::string golden = std::string(std::getenv("HOMOLOG_TEST_DATA")) + "/golden/";
  for (const std::string model :
       {"gpt2", "gpt2_relu_wide_mlp", "gpt2_scaled_attention", "gpt_neox"}) {
    Write("model.safetensors", ReadFile(golden + model + "/model.safetensors"));
    const Floats expected = *Read();
    fs::remove(folder_ / "model.safetensors");
    Write("pytorch_model.bin", ReadFile(golden + model + "/pytorch_model.bin"));
    const auto found = Read();
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_GT(expected.size(), 20u);
    for (const auto& [name, bytes] : expected) {
      ASSERT_TRUE(found->contains(name)) << name;
      EXPECT_TRUE(found->at(name) == bytes) << name;
    }
    if (model == "gpt_neox") continue;
    EXPECT_EQ(found->at("transformer.h.0.attn.bias").size(), 32u * 32u);  // causal, uint8
    EXPECT_EQ(found->at("transformer.h.2.attn.masked_bias").size(), 4u);
  }
}

TEST_F(TensorFilesTest, SurvivesGoldenFilesCutShort) {
  const std::string golden = std::string(std::getenv("HOMOLOG_TEST_DATA")) + "/golden/gpt2/";
  const std::string bytes = ReadFile(golden + "pytorch_model.bin");
  for (size_t size = 0; size < bytes.size(); size += 4099) {
    Write("pytorch_model.bin", bytes.substr(0, size));
    EXPECT_FALSE(Read().ok()) << size;
  }
}

}  // namespace
}  // namespace homolog::tensorfiles
