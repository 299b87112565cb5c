#include "server/training/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "server/engine/architecture.h"

namespace homolog::training {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Recipe Resolved(const std::function<void(Recipe&)>& change = [](Recipe&) {}) {
  Recipe recipe;
  change(recipe);
  Resolve(recipe);
  return recipe;
}

TEST(RecipeTest, IsValidAsItComes) { EXPECT_TRUE(Validate(Resolved()).ok()); }

TEST(RecipeTest, HasFourTimesAsManyNeuronsAsItIsWideUnlessTold) {
  EXPECT_EQ(Resolved().d_mlp, 256);
  EXPECT_EQ(Resolved([](Recipe& r) { r.d_mlp = 100; }).d_mlp, 100);
}

TEST(RecipeTest, AlwaysHasTheLastStepAsACheckpoint) {
  EXPECT_THAT(Resolved().checkpoints, ElementsAre(800));
  EXPECT_THAT(Resolved([](Recipe& r) {
                r.checkpoints = {400, 0, 400, 800};
              }).checkpoints,
              ElementsAre(0, 400, 800));
}

struct BadValue {
  const char* name;
  void (*change)(Recipe&);
  const char* shown;
  const char* right;
};

class BadRecipeTest : public ::testing::TestWithParam<BadValue> {};

TEST_P(BadRecipeTest, IsRefusedByFlagAndValue) {
  const absl::Status status = Validate(Resolved(GetParam().change));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(GetParam().shown), HasSubstr(GetParam().right)));
}

INSTANTIATE_TEST_SUITE_P(
    Recipe, BadRecipeTest,
    ::testing::Values(
        BadValue{"NoLayers", [](Recipe& r) { r.layers = 0; }, "--layers is 0", "from 1 to 1024"},
        BadValue{"NegativeWidth", [](Recipe& r) { r.d_model = -64; }, "--d-model is -64", "from 1"},
        BadValue{"HugeContext", [](Recipe& r) { r.context = 1 << 30; }, "--context is 1073741824",
                 "16777216"},
        BadValue{"HeadsThatDoNotDivide", [](Recipe& r) { r.heads = 5; }, "--heads is 5",
                 "a divisor of --d-model, which is 64"},
        BadValue{"UnknownActivation", [](Recipe& r) { r.activation = "swoosh"; },
                 "--activation is \"swoosh\"", "gelu_new"},
        BadValue{"NegativeSteps", [](Recipe& r) { r.steps = -1; }, "--steps is -1", "from 0"},
        BadValue{"CheckpointAfterTheEnd", [](Recipe& r) { r.checkpoints = {900}; },
                 "--checkpoints is 900", "to 800"},
        BadValue{"NegativeCheckpoint", [](Recipe& r) { r.checkpoints = {-1}; },
                 "--checkpoints is -1", "from 0"},
        BadValue{"EmptyBatch", [](Recipe& r) { r.batch = 0; }, "--batch is 0", "from 1"},
        BadValue{"RateOfZero", [](Recipe& r) { r.learning_rate = 0; }, "--learning-rate is 0",
                 "above 0"},
        BadValue{"RateThatIsNoNumber",
                 [](Recipe& r) { r.learning_rate = std::numeric_limits<double>::quiet_NaN(); },
                 "--learning-rate is nan", "above 0"},
        BadValue{"BetaOfOne", [](Recipe& r) { r.beta2 = 1; }, "--beta2 is 1", "below 1"},
        BadValue{"NegativeDecay", [](Recipe& r) { r.weight_decay = -0.1; },
                 "--weight-decay is -0.1", "from 0"},
        BadValue{"FractionAboveOne", [](Recipe& r) { r.final_fraction = 1.5; },
                 "--final-fraction is 1.5", "to 1"},
        BadValue{"NothingHeldOut", [](Recipe& r) { r.held_out_fraction = 0; },
                 "--held-out-fraction is 0", "above 0"},
        BadValue{"InitWithoutWidth", [](Recipe& r) { r.init_std = 0; }, "--init-std is 0",
                 "above 0"},
        BadValue{"TrainingOnMoreThanBytes", [](Recipe& r) { r.vocabulary = 50257; },
                 "--vocabulary is 50257", "256 to train"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(RecipeTest, AllowsAnyVocabularyWithoutTraining) {
  EXPECT_TRUE(Validate(Resolved([](Recipe& r) {
                r.vocabulary = 50257;
                r.steps = 0;
              })).ok());
}

TEST(RecipeTest, HasGpt2SmallAsAPreset) {
  auto preset = Preset("gpt2-small");
  ASSERT_TRUE(preset.ok()) << preset.status();
  Resolve(*preset);
  const auto architecture = engine::ParseArchitecture(HuggingFaceConfig(*preset));
  ASSERT_TRUE(architecture.ok()) << architecture.status();
  EXPECT_EQ((*architecture)->description().shape,
            (engine::ModelShape{12, 768, 3072, 12, 50257, 1024}));
  EXPECT_EQ((*architecture)->description().nonlinearity, "gelu_new");
  EXPECT_EQ(engine::ParameterCount(**architecture), 124439808);
}

TEST(RecipeTest, HasADemoWithAtLeastFourCheckpoints) {
  auto preset = Preset("demo");
  ASSERT_TRUE(preset.ok()) << preset.status();
  Resolve(*preset);
  EXPECT_TRUE(Validate(*preset).ok());
  EXPECT_GE(preset->checkpoints.size(), 4u);
}

TEST(RecipeTest, RefusesAnUnknownPreset) {
  const auto preset = Preset("gpt5");
  ASSERT_FALSE(preset.ok());
  EXPECT_THAT(std::string(preset.status().message()),
              AllOf(HasSubstr("\"gpt5\""), HasSubstr("gpt2-small")));
}

TEST(RecipeTest, WritesTheConfigOfHuggingFace) {
  const nlohmann::json config = HuggingFaceConfig(Resolved([](Recipe& r) {
    r.tied_output = false;
    r.activation = "gelu_new";
  }));
  EXPECT_EQ(config["model_type"], "gpt2");
  EXPECT_EQ(config["architectures"], nlohmann::json::array({"GPT2LMHeadModel"}));
  EXPECT_EQ(config["n_embd"], 64);
  EXPECT_EQ(config["n_inner"], 256);
  EXPECT_EQ(config["n_ctx"], 64);
  EXPECT_EQ(config["activation_function"], "gelu_new");
  EXPECT_EQ(config["tie_word_embeddings"], false);
  EXPECT_EQ(config["torch_dtype"], "float32");
  EXPECT_LT(config["eos_token_id"], config["vocab_size"]);
  EXPECT_EQ(config["resid_pdrop"], 0.0);
}

TEST(RecipeTest, RecordsEveryDifference) {
  const nlohmann::json record = ToJson(Resolved());
  EXPECT_NE(record, ToJson(Resolved([](Recipe& r) { r.beta1 = 0.91; })));
  EXPECT_NE(record, ToJson(Resolved([](Recipe& r) { r.tied_output = false; })));
  EXPECT_NE(record, ToJson(Resolved([](Recipe& r) { r.checkpoints = {7}; })));
  EXPECT_EQ(record, nlohmann::json::parse(record.dump()));
}

TEST(RecipeTest, WarmsUpAndDecaysLinearly) {
  const Recipe recipe = Resolved([](Recipe& r) {
    r.learning_rate = 1;
    r.warm_up = 4;
    r.steps = 15;
    r.final_fraction = 0.1;
  });
  EXPECT_DOUBLE_EQ(LearningRate(recipe, 0), 0.25);
  EXPECT_DOUBLE_EQ(LearningRate(recipe, 3), 1.0);
  EXPECT_DOUBLE_EQ(LearningRate(recipe, 4), 1.0);
  EXPECT_DOUBLE_EQ(LearningRate(recipe, 9), 0.55);
  EXPECT_DOUBLE_EQ(LearningRate(recipe, 14), 0.1);
}

TEST(RecipeTest, HasALearningRateForASingleStep) {
  EXPECT_DOUBLE_EQ(LearningRate(Resolved([](Recipe& r) {
                                  r.steps = 1;
                                  r.warm_up = 0;
                                  r.learning_rate = 0.5;
                                }),
                                0),
                   0.5);
}

}  // namespace
}  // namespace homolog::training
