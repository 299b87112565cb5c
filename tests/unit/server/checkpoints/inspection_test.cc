#include "server/checkpoints/inspection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/digest.h"
#include "common/error.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_model.h"

namespace homolog::checkpoints {
namespace {

using ::homolog::testing::ReadFile;
using ::homolog::testing::TemporaryFolder;
using ::homolog::testing::TinyModel;
using ::homolog::testing::WriteFile;
using ::homolog::testing::WriteTinyModel;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Repeat(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

class InspectionTest : public ::testing::Test {
 protected:
  absl::Status Read(const std::string& config) {
    WriteFile(folder_ / "config.json", config);
    return ReadConfig(folder_.path().string()).status();
  }
  void ExpectRefused(const std::string& config, const std::string& word) {
    const absl::Status status = Read(config);
    EXPECT_EQ(ErrorReason(status), "UNSUPPORTED_CONFIG") << config.substr(0, 80);
    EXPECT_THAT(std::string(status.message()), HasSubstr(word)) << config.substr(0, 80);
  }
  // A config that can be read, with `key` replaced.
  std::string With(const std::string& key, const nlohmann::json& value) {
    nlohmann::json config = {{"model_type", "gpt2"}, {"n_layer", 2},    {"n_embd", 8},
                             {"n_head", 2},          {"n_inner", 12},   {"n_positions", 16},
                             {"vocab_size", 256},    {"extra", "notes"}};
    config[key] = value;
    return config.dump();
  }

  TemporaryFolder folder_;
};

TEST_F(InspectionTest, ReadsAConfigAndCountsItsWeights) {
  WriteTinyModel(folder_.path(), {.layers = 1, .d_model = 4, .heads = 2, .d_mlp = 6, .context = 8});
  const auto config = ReadConfig(folder_.path().string());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->sha256, Sha256Hex(ReadFile(folder_ / "config.json")));
  const engine::ModelShape& shape = config->architecture->description().shape;
  EXPECT_EQ(shape.layers, 1);
  EXPECT_EQ(shape.d_mlp, 6);
  // wte, wpe, ln_1, c_attn, c_proj, ln_2, c_fc, c_proj, ln_f.
  const int64_t parameters =
      256 * 4 + 8 * 4 + 8 + (4 * 12 + 12) + (4 * 4 + 4) + 8 + (4 * 6 + 6) + (6 * 4 + 4) + 8;
  EXPECT_EQ(WeightBytes(*config->architecture), 4 * parameters);
}

TEST_F(InspectionTest, NamesAConfigThatIsMissing) {
  const absl::Status status = ReadConfig(folder_.path().string()).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("config.json"));
}

TEST_F(InspectionTest, RefusesWhatIsNotJson) {
  for (const std::string text :
       {"", "{", "not json", "{\"model_type\": \"gpt2\"} more", "{\"a\": 1,}", "\xff\xfe", "NaN"}) {
    ExpectRefused(text, "not valid JSON");
  }
  ExpectRefused(std::string("{}\0{}", 5), "not valid JSON");
}

TEST_F(InspectionTest, RefusesJsonThatIsNoObject) {
  for (const std::string text : {"[]", "1", "null", "\"gpt2\""}) {
    ExpectRefused(text, "must be a JSON object");
  }
}

TEST_F(InspectionTest, RefusesAConfigThatIsTooLarge) {
  ExpectRefused(With("extra", std::string(5 << 20, 'x')), "larger than");
  EXPECT_TRUE(Read(With("extra", std::string(1 << 20, 'x'))).ok());
}

TEST_F(InspectionTest, RefusesNestingThatIsTooDeep) {
  ExpectRefused("{\"model_type\":" + Repeat("[", 100) + Repeat("]", 100) + "}", "deeper than");
  ExpectRefused(Repeat("{\"a\":", 500'000), "deeper than");
}

TEST_F(InspectionTest, RefusesDeepNestingBehindClosingBracketsInAString) {
  const int depth = 1'000'000;
  ExpectRefused("{\"a\":\"\\\"" + Repeat("]", depth) + "\",\"model_type\":" + Repeat("[", depth) +
                    Repeat("]", depth) + "}",
                "deeper than");
}

TEST_F(InspectionTest, ReadsBracketsInStrings) {
  EXPECT_TRUE(Read(With("extra", Repeat("[{\\\"", 1000))).ok());
}

TEST_F(InspectionTest, NamesAValueOfTheWrongType) {
  ExpectRefused(With("n_layer", "2"), "\"n_layer\" is \"2\"");
  ExpectRefused(With("n_layer", 2.5), "\"n_layer\" is 2.5");
  ExpectRefused(With("n_embd", -8), "\"n_embd\" is -8");
  ExpectRefused(With("n_head", 3), "\"n_head\" is 3");
  ExpectRefused(With("vocab_size", uint64_t{18446744073709551615u}), "vocab_size");
  ExpectRefused(With("n_positions", nlohmann::json::array({16})), "n_positions");
  ExpectRefused(With("tie_word_embeddings", 1), "tie_word_embeddings");
  ExpectRefused(With("activation_function", 7), "activation_function");
  ExpectRefused(With("model_type", "bert"), "bert");
}

TEST_F(InspectionTest, CutsAValueThatIsLongOrNotUtf8) {
  const absl::Status status = Read(With("model_type", std::string(1 << 20, 'x')));
  EXPECT_EQ(ErrorReason(status), "UNSUPPORTED_CONFIG");
  EXPECT_LT(status.message().size(), 300u);
}

TEST_F(InspectionTest, GivesTheSignatureOfTheFilesThatAreThereNow) {
  const std::string folder = folder_.path().string();
  std::vector<std::string> seen = {FilesSignature(folder)};
  auto expect_another = [&] {
    const std::string now = FilesSignature(folder);
    EXPECT_EQ(FilesSignature(folder), now);
    EXPECT_THAT(seen, Not(Contains(now)));
    seen.push_back(now);
  };
  WriteTinyModel(folder_.path(), {});
  expect_another();
  WriteTinyModel(folder_.path(), {.seed = 1});
  expect_another();
  WriteFile(folder_ / "config.json", With("n_layer", 3));
  expect_another();
}

TEST_F(InspectionTest, GivesTheSameSignatureOfFilesThatItOpened) {
  const std::string folder = folder_.path().string();
  WriteTinyModel(folder_.path(), {});
  EXPECT_EQ(FilesSignature(*ReadConfig(folder), *WeightFiles::Open(folder)),
            FilesSignature(folder));
}

}  // namespace
}  // namespace homolog::checkpoints
