#include "server/engine/architecture.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "common/error.h"

namespace homolog::engine {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

nlohmann::json Gpt2Small() {
  return {{"model_type", "gpt2"}, {"n_layer", 12},       {"n_embd", 768},
          {"n_head", 12},         {"vocab_size", 50257}, {"n_positions", 1024}};
}

nlohmann::json With(const std::string& key, const nlohmann::json& value) {
  nlohmann::json config = Gpt2Small();
  config[key] = value;
  return config;
}

TEST(ArchitectureTest, ReadsGpt2SmallWithTheDefaultsOfHuggingFace) {
  const auto architecture = ParseArchitecture(Gpt2Small());
  ASSERT_TRUE(architecture.ok()) << architecture.status();
  const ModelDescription& description = (*architecture)->description();
  EXPECT_EQ(description.nonlinearity, "gelu_new");
  EXPECT_EQ(description.shape, (ModelShape{12, 768, 3072, 12, 50257, 1024}));
  // The published size of GPT-2 small, the output matrix tied.
  EXPECT_EQ(ParameterCount(**architecture), 124439808);
}

TEST(ArchitectureTest, CountsAnOutputMatrixOfItsOwn) {
  const auto architecture = ParseArchitecture(With("tie_word_embeddings", false));
  ASSERT_TRUE(architecture.ok()) << architecture.status();
  EXPECT_EQ(ParameterCount(**architecture), 124439808 + 50257 * 768);
}

TEST(ArchitectureTest, NamesEveryWeightOnce) {
  const auto architecture = ParseArchitecture(Gpt2Small());
  ASSERT_TRUE(architecture.ok()) << architecture.status();
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const WeightSpec& spec : (*architecture)->weight_specs()) {
    EXPECT_TRUE(shapes.emplace(spec.name, spec.shape).second) << spec.name;
  }
  EXPECT_EQ(shapes.size(), 2u + 12u * 12u + 2u);
  EXPECT_THAT(shapes.at("h.11.attn.c_attn.weight"), ::testing::ElementsAre(768, 2304));
  EXPECT_THAT(shapes.at("h.0.mlp.c_proj.weight"), ::testing::ElementsAre(3072, 768));
}

TEST(ArchitectureTest, KnowsTheNamesInFiles) {
  const auto parsed = ParseArchitecture(Gpt2Small());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const Architecture& architecture = **parsed;
  EXPECT_EQ(architecture.CanonicalName("transformer.h.3.ln_1.bias"), "h.3.ln_1.bias");
  EXPECT_EQ(architecture.CanonicalName("h.3.ln_1.bias"), "h.3.ln_1.bias");
  EXPECT_EQ(architecture.CanonicalName("transformer.h.3.attn.bias"), std::nullopt);
  EXPECT_EQ(architecture.CanonicalName("h.3.attn.masked_bias"), std::nullopt);
  EXPECT_EQ(architecture.CanonicalName("lm_head.weight"), std::nullopt) << "tied";
  EXPECT_EQ(architecture.CanonicalName("something.else"), "something.else");
}

TEST(ArchitectureTest, KeepsTheNameOfAnUntiedOutputMatrix) {
  const auto architecture = ParseArchitecture(With("tie_word_embeddings", false));
  ASSERT_TRUE(architecture.ok()) << architecture.status();
  EXPECT_EQ((*architecture)->CanonicalName("lm_head.weight"), "lm_head.weight");
}

struct Refusal {
  const char* name;
  nlohmann::json config;
  const char* value;  // what the message shows
  const char* right;  // and what would be right
};

class RefusedConfigTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(RefusedConfigTest, NamesTheValueAndWhatWouldBeRight) {
  const auto architecture = ParseArchitecture(GetParam().config);
  ASSERT_FALSE(architecture.ok());
  EXPECT_EQ(architecture.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(architecture.status()), "UNSUPPORTED_CONFIG");
  EXPECT_THAT(std::string(architecture.status().message()),
              AllOf(HasSubstr(GetParam().value), HasSubstr(GetParam().right)));
}

nlohmann::json Without(const std::string& key) {
  nlohmann::json config = Gpt2Small();
  config.erase(key);
  return config;
}

INSTANTIATE_TEST_SUITE_P(
    Gpt2, RefusedConfigTest,
    ::testing::Values(
        Refusal{"AnArray", nlohmann::json::array(), "config.json", "JSON object"},
        Refusal{"UnknownFamily", With("model_type", "bert"), "\"bert\"", "gpt2"},
        Refusal{"MissingFamily", Without("model_type"), "model_type", "gpt2"},
        Refusal{"FamilyThatIsANumber", With("model_type", 2), "2", "string"},
        Refusal{"MissingSize", Without("n_embd"), "\"n_embd\" is missing", "from 1 to"},
        Refusal{"NegativeSize", With("n_layer", -1), "-1", "from 1 to 1024"},
        Refusal{"NoLayers", With("n_layer", 0), "0", "from 1 to 1024"},
        Refusal{"FractionalSize", With("n_layer", 1.5), "1.5", "an integer from 1"},
        Refusal{"SizeAsText", With("n_embd", "768"), "\"768\"", "an integer from 1"},
        Refusal{"HugeWidth", With("n_embd", int64_t{1} << 40), "1099511627776", "1048576"},
        Refusal{"HugeInner", With("n_inner", int64_t{1} << 21), "2097152", "1048576"},
        Refusal{"HugeVocabulary", With("vocab_size", 4000000000000), "4000000000000", "16777216"},
        Refusal{"HugeContext", With("n_positions", UINT64_MAX), "18446744073709551615", "16777216"},
        Refusal{"HeadsThatDoNotDivide", With("n_head", 7), "7", "divide n_embd, which is 768"},
        Refusal{"UnknownActivation", With("activation_function", "softplus"), "\"softplus\"",
                "gelu_new"},
        Refusal{"CrossAttention", With("add_cross_attention", true), "true", "cross attention"},
        Refusal{"EpsilonOfZero", With("layer_norm_epsilon", 0), "0", "above 0"},
        Refusal{"FlagThatIsANumber", With("tie_word_embeddings", 1), "1", "true or false"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace homolog::engine
